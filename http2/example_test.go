package http2_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/loop"
)

// HTTP/2 beside HTTP/1.1 on one port, without TLS: the first bytes tell.
func ExampleConfig_Protocol() {
	app := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(http.StatusOK, nil, []byte(x.Request().Proto.String())) })
	engine, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		log.Fatal(err)
	}
	h2 := http2.Config{MaxConcurrentStreams: 10}
	ln, err := engine.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{h2.Protocol(app), http1.Protocol(app)}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()

	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	resp, err := (&http.Client{Transport: transport}).Get("http://" + ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	transport.CloseIdleConnections()
	fmt.Printf("%s %v\n", body, err)
	stop()
	fmt.Println(<-done)
	// Output:
	// HTTP/2 <nil>
	// <nil>
}
