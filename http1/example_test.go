package http1_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
)

func ExampleProtocol() {
	app := asteri.HandlerFunc(func(x asteri.Exchange) {
		h := new(asteri.Header)
		h.Add("Content-Type", "text/plain")
		_ = x.Respond(200, h, []byte("You asked for "+string(x.Request().Path)))
	})
	eng, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := eng.ListenWith(loop.ListenConfig{
		Addr:      "127.0.0.1:0",
		Protocols: []loop.Protocol{http1.Protocol(app)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- eng.Run(ctx) }()

	resp, err := http.Get("http://" + ln.Addr().String() + "/hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Printf("%s: %s\n", resp.Status, body)

	stop()
	<-done
	// Output: 200 OK: You asked for /hello
}
