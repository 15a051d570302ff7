package websocket

import (
	"bytes"
	"crypto/sha1" // RFC 6455 asks for it; nothing secret depends on it
	"encoding/base64"
	"iter"
	"net/url"
	"slices"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// version is the only one that there is, RFC 6455 section 4.1.
const version = "13"

// keyGUID is what turns a key into its answer, section 1.3.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	statusBadRequest      = 400
	statusForbidden       = 403
	statusUpgradeRequired = 426
)

// Offered tells whether a request asks for a WebSocket. It may still do so in a
// way that Check refuses.
func Offered(r *asteri.Request) bool {
	if r.Protocol != "" {
		return r.Protocol == "websocket"
	}
	return r.Method == "GET" && r.Proto == asteri.HTTP11 && httpfield.ListsItem(&r.Header, "Upgrade", "websocket")
}

// Check looks at an opening handshake, RFC 6455 section 4.2.1 and RFC 8441
// section 5. The error is an *asteri.StatusError.
func (s *Server) Check(r *asteri.Request) error {
	switch {
	case !Offered(r):
		return refusal(statusUpgradeRequired, "this is a WebSocket")
	case string(r.Header.Get("Sec-WebSocket-Version")) != version:
		return refusal(statusUpgradeRequired, "WebSocket version is not 13")
	case !s.options.CheckOrigin(r):
		return refusal(statusForbidden, "origin is not allowed")
	case r.Protocol != "":
		return nil
	case !httpfield.ListsItem(&r.Header, "Connection", "upgrade"):
		return refusal(statusBadRequest, "Connection does not ask for an upgrade")
	case r.HasBody():
		return refusal(statusBadRequest, "WebSocket handshake with a body")
	case !validKey(r.Header.Values("Sec-WebSocket-Key")):
		return refusal(statusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64")
	}
	return nil
}

func refusal(code int, reason string) error { return &asteri.StatusError{Code: code, Reason: reason} }

func validKey(values iter.Seq[[]byte]) bool {
	n := 0
	valid := false
	for v := range values {
		var key [18]byte
		size, err := base64.StdEncoding.Decode(key[:], v[:min(len(v), 24)])
		valid = err == nil && size == 16 && len(v) == 24
		n++
	}
	return valid && n == 1
}

// sameOrigin lets in pages of the host that the request is for, and clients that
// are no browser and send no Origin.
func sameOrigin(r *asteri.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == nil {
		return true
	}
	u, err := url.Parse(string(origin))
	return err == nil && asteri.EqualFold(r.Authority, u.Host)
}

// AnyOrigin is a CheckOrigin for applications that need none, or do it
// themselves.
func AnyOrigin(*asteri.Request) bool { return true }

// Subprotocols yields what the client offers in Sec-WebSocket-Protocol, the
// preferred first.
func Subprotocols(r *asteri.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		for item := range items(r.Header.Values("Sec-WebSocket-Protocol")) {
			if !yield(string(item)) {
				return
			}
		}
	}
}

// responseHeader makes the header of the response to a handshake. The error is for
// what the application wants and cannot have.
func responseHeader(r *asteri.Request, by Response, extensions string) (*asteri.Header, error) {
	h := new(asteri.Header)
	h.Add("Upgrade", "websocket")
	if r.Protocol == "" {
		h.Add("Sec-WebSocket-Accept", acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	}
	if by.Subprotocol != "" {
		if !slices.Contains(slices.Collect(Subprotocols(r)), by.Subprotocol) {
			return nil, &asteri.ResponseError{Reason: "subprotocol that the client did not offer", Name: by.Subprotocol}
		}
		h.Add("Sec-WebSocket-Protocol", by.Subprotocol)
	}
	if extensions != "" {
		h.Add("Sec-WebSocket-Extensions", extensions)
	}
	for _, f := range by.Header.Fields() {
		if len(f.Name) >= len("sec-websocket-") && asteri.EqualFold(f.Name[:len("sec-websocket-")], "sec-websocket-") {
			return nil, &asteri.ResponseError{Reason: "field of the WebSocket handshake", Name: string(f.Name)}
		}
		h.Append(f.Name, f.Value)
	}
	return h, nil
}

func acceptKey(key []byte) string {
	sum := sha1.Sum(append(slices.Clone(key), keyGUID...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// items yields the items of lists in fields, RFC 9110 section 5.6.1.
func items(values iter.Seq[[]byte]) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for v := range values {
			for item := range bytes.SplitSeq(v, []byte{','}) {
				if item = bytes.Trim(item, " \t"); len(item) > 0 && !yield(item) {
					return
				}
			}
		}
	}
}
