package nethttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
	"golang.org/x/net/http/httpguts"
)

// newRequest makes the request of a call as net/http's server would.
func newRequest(ctx context.Context, c *workers.Call) (*http.Request, error) {
	req := c.Request()
	target := string(req.Target)
	u, err := parseTarget(req.Method, target)
	if err != nil {
		return nil, err
	}
	r := (&http.Request{
		Method:        req.Method,
		URL:           u,
		RequestURI:    target,
		Host:          string(req.Authority),
		Header:        headerOf(&req.Header),
		ContentLength: req.ContentLength,
		Body:          http.NoBody,
		RemoteAddr:    workers.RemoteAddr(req.Peer).String(),
		TLS:           req.Peer.TLS,
	}).WithContext(ctx)
	setProto(r, req.Proto)
	r.Close = closes(r)
	delete(r.Header, "Host")
	if req.HasBody() {
		setBody(r, c)
	}
	if p, ok := r.Header["Pragma"]; ok && len(p) > 0 && p[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"} // RFC 9111 section 5.4
	}
	return r, nil
}

// parseTarget parses a request target. The one of CONNECT is an authority, and
// not a URL, unless it is a path as some RPC protocols have it.
func parseTarget(method, target string) (*url.URL, error) {
	if method != http.MethodConnect || strings.HasPrefix(target, "/") {
		return url.ParseRequestURI(target)
	}
	u, err := url.ParseRequestURI("http://" + target)
	if err != nil {
		return nil, err
	}
	u.Scheme = ""
	return u, nil
}

func setProto(r *http.Request, p asteri.Proto) {
	switch p {
	case asteri.HTTP10:
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0
	case asteri.HTTP11:
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	case asteri.HTTP2:
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	case asteri.HTTP3:
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/3.0", 3, 0
	}
}

// closes tells whether the client wants no further request on the connection.
func closes(r *http.Request) bool {
	if r.ProtoMajor != 1 {
		return false
	}
	tokens := r.Header["Connection"]
	if r.ProtoMinor == 0 {
		return !httpguts.HeaderValuesContainsToken(tokens, "keep-alive")
	}
	return httpguts.HeaderValuesContainsToken(tokens, "close")
}

// headerOf copies a header: all its text into one string, of which names and
// values are parts, and all values into one slice.
func headerOf(h *asteri.Header) http.Header {
	fields := h.Fields()
	size := 0
	for _, f := range fields {
		size += len(f.Name) + len(f.Value)
	}
	var text strings.Builder
	text.Grow(size)
	for _, f := range fields {
		text.Write(f.Name)
		text.Write(f.Value)
	}
	rest := text.String()
	values := make([]string, len(fields))
	header := make(http.Header, len(fields))
	for i, f := range fields {
		name := http.CanonicalHeaderKey(rest[:len(f.Name)])
		values[i] = rest[len(f.Name) : len(f.Name)+len(f.Value)]
		rest = rest[len(f.Name)+len(f.Value):]
		if seen := header[name]; seen != nil {
			header[name] = append(seen, values[i])
		} else {
			header[name] = values[i : i+1 : i+1]
		}
	}
	return header
}

// setBody gives r the body of c, and the names of the trailer fields that the
// client has announced.
func setBody(r *http.Request, c *workers.Call) {
	r.Body = &body{call: c, request: r}
	if r.ProtoMajor == 1 {
		if r.ContentLength >= 0 {
			return // trailers need the chunked coding there
		}
		r.TransferEncoding = []string{"chunked"}
		delete(r.Header, "Transfer-Encoding")
	}
	for _, name := range trailerNames(r.Header) {
		if r.Trailer == nil {
			r.Trailer = make(http.Header)
		}
		r.Trailer[name] = nil
	}
	delete(r.Header, "Trailer")
}

// body is a request body. At its end it fills in the request's trailer fields.
type body struct {
	call    *workers.Call
	request *http.Request
	closed  bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.call.Read(p)
	if errors.Is(err, io.EOF) {
		if trailer := b.call.Trailer(); trailer.Len() > 0 {
			if b.request.Trailer == nil {
				b.request.Trailer = make(http.Header)
			}
			for name, values := range headerOf(trailer) {
				b.request.Trailer[name] = values
			}
		}
	}
	return n, err
}

// Close makes Read fail. What is left of the body is the protocol's to discard.
func (b *body) Close() error {
	b.closed = true
	return nil
}
