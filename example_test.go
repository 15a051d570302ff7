package asteri_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python"
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

// A handler that needs the content of its request. What is longer than a megabyte is
// answered 413 by itself.
func ExampleReadAll() {
	app := asteri.HandlerFunc(func(x asteri.Exchange) {
		asteri.ReadAll(x, 1<<20, func(body []byte, err error) {
			if err == nil {
				_ = x.Respond(200, nil, fmt.Appendf(nil, "%d bytes\n", len(body)))
			}
		})
	})
	_ = http1.Protocol(app)
}

// A server that answers some routes in Go and leaves the rest to a Python
// application. The application is a file here; mostly it is a "module:attr".
func Example_python() {
	file := writeShop()
	engine, err := loop.New(loop.Config{Adaptive: true}) // leave the cores to Python
	if err != nil {
		log.Fatal(err)
	}
	pool, err := python.Start(engine, python.Config{App: file, Model: "gthread", Workers: 2, Threads: 4})
	if err != nil {
		log.Fatal(err)
	}
	app := asteri.HandlerFunc(func(x asteri.Exchange) {
		if string(x.Request().Path) == "/ping" {
			_ = x.Respond(200, nil, []byte("Go answers /ping\n"))
			return
		}
		pool.ServeExchange(x)
	})
	listener, err := engine.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(app)}})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := pool.Ready(ctx); err != nil {
		log.Fatal(err) // for example, the traceback of a failed import
	}

	show("http://" + listener.Addr().String() + "/ping")
	show("http://" + listener.Addr().String() + "/cart")

	err = engine.Drain() // first the clients, then the workers, then the loops
	pool.Stop(ctx)
	fmt.Println("stopped:", err, engine.Close())
	os.RemoveAll(filepath.Dir(file))
	// Output:
	// 200 Go answers /ping
	// 200 Python answers /cart
	// stopped: <nil> <nil>
}

const shop = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Python answers %s\n" % environ["PATH_INFO"].encode("latin-1")]
`

// writeShop writes the application into a directory of its own.
func writeShop() (file string) {
	dir, err := os.MkdirTemp("", "asteri-example-")
	if err != nil {
		log.Fatal(err)
	}
	file = filepath.Join(dir, "shop.py")
	if err := os.WriteFile(file, []byte(shop), 0o600); err != nil {
		log.Fatal(err)
	}
	return file
}

// show prints what a URL answers.
func show(url string) {
	res, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %s", res.StatusCode, body)
}
