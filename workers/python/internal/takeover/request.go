package takeover

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Asks tells whether a request may be about more than HTTP.
func Asks(r *asteri.Request) bool {
	return r.Protocol != "" || r.Method == http.MethodGet && r.Proto == asteri.HTTP11 && r.Header.Has("Upgrade")
}

// Form returns the request as a worker gets it together with a socket; nil if it
// offers nothing that an application could take up. An extended CONNECT becomes
// the opening handshake of RFC 6455 that it stands for (RFC 8441 section 5).
func Form(r *asteri.Request) *asteri.Request {
	switch {
	case r.Protocol == "websocket":
		h := r.Header.Clone()
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
		var nonce [16]byte
		_, _ = rand.Read(nonce[:])
		h.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(nonce[:]))
		form := *r
		form.Method, form.Protocol, form.Proto, form.Header, form.ContentLength = http.MethodGet, "", asteri.HTTP11, *h, 0
		return &form
	case r.Protocol != "" || r.HasBody() || asteri.EqualFold(r.Header.Get("Upgrade"), "h2c"):
		return nil
	}
	if httpfield.ListsItem(&r.Header, "Connection", "upgrade") {
		return r
	}
	return nil
}
