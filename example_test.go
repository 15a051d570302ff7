package asteri_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
)

// An HTTP server with a handler that runs on the event loops themselves.
func Example() {
	app := asteri.HandlerFunc(func(x asteri.Exchange) {
		var h asteri.Header
		h.Add("Content-Type", "text/plain")
		_ = x.Respond(200, &h, fmt.Appendf(nil, "you asked for %s\n", x.Request().Path))
	})

	engine, err := loop.New(loop.Config{}) // one loop per core
	if err != nil {
		log.Fatal(err)
	}
	listener, err := engine.ListenWith(loop.ListenConfig{
		Addr:      "127.0.0.1:0", // any free port; for a known one see Engine.Listen
		Protocols: []loop.Protocol{http1.Protocol(app)},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- engine.Run(ctx) }()

	show("http://" + listener.Addr().String() + "/tea")

	stop() // Run answers what has come in, and returns
	fmt.Println("stopped:", <-stopped)
	// Output:
	// 200 you asked for /tea
	// stopped: <nil>
}

// show prints what a URL answers.
func show(url string) {
	res, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %s", res.StatusCode, body)
}
