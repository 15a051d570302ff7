// Command embed is a Go program with a server in it: it answers some routes
// itself and leaves the rest to a Python application. With the environment that
// "make run EXAMPLE=flask" prepares:
//
//	go run ./examples/embed -l :8443 --python .venv/flask/bin/python --chdir examples/flask "app:create_app()"
//	curl http://localhost:8443/go/time     # the handler below
//	curl http://localhost:8443/go/hello    # a net/http handler
//	curl http://localhost:8443/            # Flask
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
	"github.com/asteri/asteri-loop/workers/python"
)

func main() {
	listen := flag.String("l", ":8443", "address to listen on")
	chdir := flag.String("chdir", "", "directory of the Python application")
	interpreter := flag.String("python", "", "interpreter of the Python application")
	certfile := flag.String("certfile", "", "certificate and key; without them the port is plain HTTP")
	flag.Parse()

	config := server.Config{
		Listen: server.Listen{Addresses: []string{*listen}},
		App:    server.App{Python: &python.Config{App: flag.Arg(0), Chdir: *chdir, Interpreter: *interpreter, Workers: 2}},
		Mounts: []server.Mount{{Path: "/go", App: server.App{Handler: routes()}}},
	}
	if *certfile != "" {
		config.TLS.CertFiles = []string{*certfile}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	srv, err := server.New(config)
	if err == nil {
		err = srv.Run(ctx)
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// routes are those that Go answers.
func routes() asteri.Handler {
	// A net/http handler may block: each request has a goroutine.
	mux := http.NewServeMux()
	mux.HandleFunc("GET /go/hello", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(10 * time.Millisecond)
		fmt.Fprintf(w, "Hello from net/http, %s\n", r.RemoteAddr)
	})
	blocking := workers.ASGI(nethttp.Handler(mux), workers.Options{})

	return asteri.HandlerFunc(func(x asteri.Exchange) {
		if !bytes.Equal(x.Request().Path, []byte("/go/time")) {
			blocking.ServeExchange(x)
			return
		}
		// This runs on the event loop: it answers at once and never blocks.
		header := new(asteri.Header)
		header.Add("Content-Type", "text/plain; charset=utf-8")
		_ = x.Respond(http.StatusOK, header, []byte(time.Now().Format(time.RFC3339)+"\n")) // fails only if the client has left
	})
}
