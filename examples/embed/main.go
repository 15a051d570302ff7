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
	"crypto/tls"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
	"github.com/asteri/asteri-loop/workers/python"
)

// gracefulTimeout is how long clients and workers have to finish.
const gracefulTimeout = 30 * time.Second

func main() {
	listen := flag.String("l", ":8443", "address to listen on")
	chdir := flag.String("chdir", "", "directory of the Python application")
	interpreter := flag.String("python", "", "interpreter of the Python application")
	certfile := flag.String("certfile", "", "certificate; without one the port is plain HTTP")
	keyfile := flag.String("keyfile", "", "private key of the certificate")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	config := python.Config{App: flag.Arg(0), Chdir: *chdir, Interpreter: *interpreter, Workers: 2, Logger: log}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := serve(ctx, log, *listen, *certfile, *keyfile, config)
	stop()
	if err != nil {
		log.Error("the server ended", "error", err)
		os.Exit(1)
	}
}

// serve runs the server until ctx is done.
func serve(ctx context.Context, log *slog.Logger, listen, certfile, keyfile string, config python.Config) error {
	certificates, err := certificates(certfile, keyfile)
	if err != nil {
		return err
	}
	engine, err := loop.New(loop.Config{GracefulTimeout: gracefulTimeout, Logger: log})
	if err != nil {
		return err
	}
	defer engine.Close()

	// The pool's links to its workers live on the engine's loops, which it starts.
	application, err := python.Start(engine, config)
	if err != nil {
		return err
	}
	defer application.Kill()
	if _, err := application.Ready(ctx); err != nil {
		return err
	}

	handler := routes(application, log)
	listener, err := engine.ListenWith(loop.ListenConfig{
		Addr:      listen,
		Protocols: []loop.Protocol{http1.Protocol(handler, asteri.WithLogger(log))},
		TLS:       certificates,
	})
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr())

	<-ctx.Done()
	if err := engine.Drain(); err != nil { // clients are answered what they have asked
		log.Warn("not everybody could be answered", "error", err)
	}
	// Then the workers end by themselves.
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracefulTimeout)
	defer cancel()
	application.Stop(stopping)
	return nil
}

// routes gives paths below /go/ to Go, and all others to the Python application.
func routes(rest asteri.Handler, log *slog.Logger) asteri.Handler {
	// A net/http handler may block: each request has a goroutine.
	mux := http.NewServeMux()
	mux.HandleFunc("GET /go/hello", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(10 * time.Millisecond)
		fmt.Fprintf(w, "Hello from net/http, %s\n", r.RemoteAddr)
	})
	blocking := workers.ASGI(nethttp.Handler(mux), workers.Options{Logger: log})

	return asteri.HandlerFunc(func(x asteri.Exchange) {
		path := x.Request().Path
		switch {
		case bytes.Equal(path, []byte("/go/time")):
			// This runs on the event loop: it answers at once and never blocks.
			respond(x, time.Now().Format(time.RFC3339)+"\n")
		case bytes.HasPrefix(path, []byte("/go/")):
			blocking.ServeExchange(x)
		default:
			rest.ServeExchange(x)
		}
	})
}

func respond(x asteri.Exchange, text string) {
	header := new(asteri.Header)
	header.Add("Content-Type", "text/plain; charset=utf-8")
	if err := x.Respond(http.StatusOK, header, []byte(text)); err != nil {
		x.Abort(err)
	}
}

// certificates returns the TLS configuration as the listener takes it, nil for
// none. It is asked for each connection, so it could be replaced at run time.
func certificates(certfile, keyfile string) (func() *tls.Config, error) {
	if certfile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(certfile, keyfile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	return func() *tls.Config { return config }, nil
}
