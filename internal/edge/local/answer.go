package local

import "github.com/asteri/asteri-loop"

// Head makes the fields that all answers of the server's own have: they are for the moment,
// for who asked, and for nothing but what they say they are.
func Head(contentType string) *asteri.Header {
	var h asteri.Header
	h.Add("Content-Type", contentType)
	h.Add("Cache-Control", "no-store")
	h.Add("X-Content-Type-Options", "nosniff")
	h.Add("Cross-Origin-Resource-Policy", "same-origin")
	return &h
}
