// Command fasthttp is a peer of the comparison: valyala/fasthttp with its
// defaults.
package main

import (
	"flag"
	"log"

	"github.com/valyala/fasthttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	s := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		c.SetContentType("text/plain")
		c.SetBodyString("Hello, World!")
	}}
	if err := s.ListenAndServe(*addr); err != nil {
		log.Fatal(err)
	}
}
