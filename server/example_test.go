package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
	"github.com/asteri/asteri-loop/workers/python"
)

// hello answers on an event loop, where nothing may block.
var hello = asteri.HandlerFunc(func(x asteri.Exchange) {
	_ = x.Respond(http.StatusOK, nil, []byte("Hello, "+string(x.Request().Path)))
})

// A server from its start to its end.
func Example() {
	srv, err := server.New(server.Config{
		App:    server.App{Handler: hello},
		Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}},
		Logs:   server.Logs{Logger: slog.New(slog.DiscardHandler)},
	})
	if err == nil {
		err = srv.Start()
	}
	if err == nil {
		err = srv.Ready(context.Background())
	}
	if err != nil {
		log.Fatal(err)
	}
	resp, err := http.Get("http://" + srv.Addrs().Clients[0].String() + "/world")
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Printf("%s, %v\n", body, err)
	fmt.Println(srv.Drain(context.Background()), srv.Close())
	// Output:
	// Hello, /world, <nil>
	// <nil> <nil>
}

// HTTP/1.1, HTTP/2 and HTTP/3 on one port. Clients of http are sent there; a reload reads
// the certificate again.
func Example_tls() {
	srv, err := server.New(server.Config{
		App:    server.App{Handler: hello},
		Listen: server.Listen{Addresses: []string{":8443"}},
		TLS:    server.TLS{CertFiles: []string{"/etc/site/cert.pem"}, KeyFiles: []string{"/etc/site/key.pem"}},
	})
	var wrong *server.ConfigError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Field, "is wrong")
		return
	}
	log.Fatal(srv.Run(context.Background()))
	// Output: TLS is wrong
}

// Python workers, a handler of net/http beside them, and files in front.
func Example_applications() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "from Go") })
	srv, err := server.New(server.Config{
		App:         server.App{Python: &python.Config{App: "shop.wsgi", Workers: 4}},
		Mounts:      []server.Mount{{Path: "/api", App: server.App{Handler: workers.ASGI(nethttp.Handler(mux), workers.Options{})}}},
		Static:      server.Static{Folders: []server.Folder{{Prefix: "/static", Dir: "assets"}}},
		Compression: server.Compression{Codings: []string{"zstd", "gzip"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.Run(context.Background()))
}
