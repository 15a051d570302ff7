package status_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
)

// A Monitor stands in front of the application, and is told of every exchange.
func ExampleNew() {
	engine, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	monitor := status.New(status.Options{
		MetricsPath: status.DefaultMetricsPath,
		Homes:       []asteri.Executor{engine.Loops()[0]},
		Ready:       func() error { return errors.New("warming up") },
	})
	defer monitor.Close()
	app := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(http.StatusOK, nil, []byte("application")) })
	ln, err := engine.ListenWith(loop.ListenConfig{
		Addr:      "127.0.0.1:0",
		Protocols: []loop.Protocol{http1.Protocol(monitor.Handler(app), asteri.WithObserver(monitor))},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	for _, path := range []string{"/", "/livez", "/readyz"} {
		resp, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%d %q %v\n", resp.StatusCode, body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	fmt.Println(<-done)
	// Output:
	// 200 "application" <nil>
	// 200 "ok\n" <nil>
	// 503 "warming up\n" <nil>
	// <nil>
}
