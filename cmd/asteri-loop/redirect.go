package main

import (
	"net/http"

	"github.com/asteri/asteri-loop"
)

// redirectToTLS sends clients that speak plain HTTP on a port for TLS to the
// same address by https. Methods other than GET and HEAD keep their method and
// body (308).
var redirectToTLS = asteri.HandlerFunc(func(x asteri.Exchange) {
	r := x.Request()
	if len(r.Authority) == 0 || len(r.Path) == 0 || r.Path[0] != '/' {
		x.Abort(&asteri.StatusError{Code: http.StatusBadRequest, Reason: "this port speaks https, and the request names no address there"})
		return
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	location := "https://" + string(r.Authority) + string(r.Path)
	if len(r.Query) > 0 {
		location += "?" + string(r.Query)
	}
	var h asteri.Header
	h.Add("Location", location)
	h.Add("Content-Type", "text/plain; charset=utf-8")
	_ = x.Respond(status, &h, []byte("this port speaks https\n")) // fails only if the client has left
})
