// Command quicgo is a peer of the comparison: the HTTP/3 server of quic-go, whose
// QUIC ours uses too, with its defaults.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"

	"github.com/quic-go/quic-go/http3"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	cert := flag.String("cert", "", "certificate `file`")
	key := flag.String("key", "", "private key `file`")
	flag.Parse()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "Hello, World!")
	})
	log.Fatal(http3.ListenAndServeQUIC(*addr, *cert, *key, h))
}
