// Command nethttp is a peer of the comparison: the server of Go's standard
// library with its defaults, plain or over TLS.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	cert := flag.String("cert", "", "certificate `file`; with -key, serve TLS")
	key := flag.String("key", "", "private key `file`")
	flag.Parse()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "Hello, World!")
	})
	var err error
	if *cert != "" {
		err = http.ListenAndServeTLS(*addr, *cert, *key, h)
	} else {
		err = http.ListenAndServe(*addr, h)
	}
	log.Fatal(err)
}
