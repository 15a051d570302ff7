package http1

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// Gateway is a protocol by which a proxy hands on requests in a form of its own,
// with the content behind the head, and gets its answer in HTTP/1: the likes of
// uwsgi. One request is served on a connection, and its answer ends with it, for
// such proxies know neither chunks nor interim responses.
type Gateway interface {
	// Name and Match are those of the loop.Protocol.
	Name() string
	Match(alpn string, head []byte) loop.Verdict
	// Allow returns why a peer may not speak the protocol, or nil. It is asked
	// when the first bytes have come.
	Allow(peer *asteri.Peer) *asteri.StatusError
	// HeadSize returns the length of the head that p begins with, which is
	// within a bound, or 0 if p is too short to tell.
	HeadSize(p []byte) (size int, refusal *asteri.StatusError)
	// ParseHead fills r by the head p. p is r's own: slices of r may point into
	// it, and it may be changed. r is empty but for Received and for Peer,
	// the proxy, which is to be replaced. A refusal leaves r half filled.
	ParseHead(p []byte, r *asteri.Request, l *asteri.Limits) *asteri.StatusError
}

// GatewayProtocol returns the protocol that serves what comes by g to h.
func GatewayProtocol(g Gateway, h asteri.Handler, opts ...asteri.Option) loop.Protocol {
	p := newProtocol(h, opts...)
	p.gateway = g
	return gatewayProtocol{p, g}
}

type gatewayProtocol struct {
	*protocol
	gateway Gateway
}

// Name returns the protocol's own name.
func (p gatewayProtocol) Name() string { return p.gateway.Name() }

// Match looks for the protocol's own beginning.
func (p gatewayProtocol) Match(alpn string, head []byte) loop.Verdict {
	return p.gateway.Match(alpn, head)
}

// readGatewayHead is readHead for a gateway. The session's head only marks that
// one has begun.
func (s *session) readGatewayHead(g Gateway, p []byte) int {
	h := s.head
	refusal := (*asteri.StatusError)(nil)
	if h == nil {
		h = s.at.takeHead()
		refusal = g.Allow(&s.peer)
	}
	size := 0
	if refusal == nil {
		size, refusal = g.HeadSize(p)
	}
	switch {
	case refusal != nil:
		s.refuse(h, refusal)
		return 0
	case size == 0 || size > len(p):
		s.head = h
		return 0
	}
	s.head = nil
	s.at.putHead(h)
	x := s.at.takeTransaction()
	refusal = x.beginGateway(s, g, p[:size])
	s.body.beginFixed(max(x.Request().ContentLength, 0))
	s.serve(x, refusal)
	return size
}

// beginGateway makes x the exchange of the request whose head is p.
func (x *transaction) beginGateway(s *session, g Gateway, p []byte) *asteri.StatusError {
	x.session = s
	x.Init(s.at.Local, x, asteri.HTTP10, &s.peer)
	x.keepAlive, x.modern, x.upgradable = false, false, false
	x.Client(false, false)
	r := x.Request()
	fields := r.Header
	fields.Reset()
	*r = asteri.Request{Header: fields, Received: s.at.loop.Now(), Peer: &s.peer}
	refusal := g.ParseHead(x.Keep(p), r, &s.at.Settings.Limits)
	if refusal == nil && r.ContentLength > s.at.Settings.Limits.Body {
		refusal = errBodySize()
	}
	return refusal
}
