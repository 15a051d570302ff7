// Package http1 speaks HTTP/1.1 and HTTP/1.0 (RFC 9110, RFC 9112) to clients.
//
// The parts: head and bodyReader are pure parsers, resumable at any byte; session is one
// connection's state; transaction is one request with its exchange (package
// internal/protocol/exchange) and the framing of its response; tunnelSession is what a
// connection becomes after an upgrade.
//
// Where the RFCs leave a choice, the strict one is taken, because requests that
// two servers read differently are how requests are smuggled. Refused with 400
// are: a line feed without carriage return, folded field lines, white space
// before a colon or in chunk extensions, more than one Content-Length or a list
// of them, Content-Length beside Transfer-Encoding, Transfer-Encoding in
// HTTP/1.0, a missing, repeated or invalid Host, fragments and invalid
// percent-encodings in a target, and framing fields in trailers. Empty lines
// before a request are skipped. CONNECT is refused with 501: this is not a
// proxy. Underscores in field names pass. A minor version above 1 is served as
// HTTP/1.1.
//
// A client that half-closes is still answered; if it does so within a head or a
// body, it is answered 400. Every refusal closes the connection, but lingers, so
// that a client that is still sending gets to read it.
package http1

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/system/perhome"
	"github.com/asteri/asteri-loop/loop"
)

// Protocol returns the protocol that serves h. It may be used by several
// listeners and engines at the same time.
func Protocol(h asteri.Handler, opts ...asteri.Option) loop.Protocol {
	return newProtocol(h, opts...)
}

func newProtocol(h asteri.Handler, opts ...asteri.Option) *protocol {
	p := &protocol{settings: httpfield.Settings(h, opts...)}
	p.locals = perhome.New(p.newLocal)
	return p
}

type protocol struct {
	settings asteri.Settings
	gateway  Gateway // nil for HTTP itself
	locals   *perhome.Values[*loop.Loop, local]
}

// Name returns the ALPN name.
func (p *protocol) Name() string { return "http/1.1" }

// http2Preface is how a client begins that speaks HTTP/2 without asking first
// (RFC 9113 section 3.4).
var http2Preface = []byte("PRI * HTTP/2.0\r\n")

// Match takes connections that negotiated HTTP/1, and all connections without
// ALPN, except those that turn out to begin with the preface of HTTP/2. It leaves those
// of which nothing has come to others, if there are any.
func (p *protocol) Match(alpn string, head []byte) loop.Verdict {
	switch alpn {
	case "http/1.1", "http/1.0":
		return loop.Yes
	case "":
		n := min(len(head), len(http2Preface))
		if !bytes.Equal(head[:n], http2Preface[:n]) {
			return loop.Yes
		}
		if n < len(http2Preface) {
			return loop.Maybe
		}
	}
	return loop.No
}

// NewSession starts a session.
func (p *protocol) NewSession(c loop.Conn) loop.Session {
	return newSession(c, p.locals.At(c.Loop()))
}

func (p *protocol) newLocal(l *loop.Loop) *local {
	at := newLocal(&p.settings, l)
	at.gateway = p.gateway
	return at
}
