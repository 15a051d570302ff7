package status

import (
	"net/netip"
	"slices"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
)

// access is what a client may do.
type access uint8

const (
	// nobody may look at nothing.
	nobody access = iota
	// public may see health, counters and states of workers.
	public
	// full may see everything, and act.
	full
)

// visit is a request for one of the server's own paths, and who sent it.
type visit struct {
	asteri.Exchange
	r      *asteri.Request
	query  []byte // the request's, which may be taken out of that
	access access
	// bearer says that the token came with the request itself, which no web
	// page can make a browser do.
	bearer bool
	// wait is how long a client that has guessed too often has to wait.
	wait time.Duration
	// session is what the cookie holds, if it is one of ours.
	session string
}

// identify tells who asks.
//
// A token is proof wherever it comes from. Everything else is weak: a browser on
// this machine can be made to ask by any web page, so a request that a page of
// another origin caused counts for nothing, and so does one for a host whose name
// someone else could make point here (DNS rebinding).
func (s *Monitor) identify(x asteri.Exchange, admin bool) *visit {
	v := &visit{Exchange: x, r: x.Request(), query: x.Request().Query}
	if token, ok := bearer(&v.r.Header); ok {
		if v.bearer = s.shows(v, token, s.keys.isToken(token)); v.bearer {
			v.access = full
		}
		return v
	}
	if local.Foreign(v.r) {
		return v
	}
	session, forged := s.keys.sessionOf(v.r)
	switch {
	case session != "" && s.shows(v, []byte(session), true):
		v.access, v.session = full, session
		return v
	case session == "" && forged != nil:
		s.shows(v, forged, false)
	}
	if v.wait > 0 {
		return v
	}
	if !s.trustedHost(v.r.Authority, admin && v.r.Peer.Network == "unix") {
		return v
	}
	switch {
	case admin:
		v.access = full
	case s.isNear(v.r):
		v.access = public
	}
	return v
}

// isNear tells whether the request comes from a client on this machine, or in one
// of the networks allowed, and not through a proxy: see package local.
func (s *Monitor) isNear(r *asteri.Request) bool {
	p := r.Peer
	if !p.Remote.IsValid() || local.Proxied(r) {
		return false
	}
	addr := p.Remote.Addr().Unmap().WithZone("")
	if p.Proxy == nil {
		return addr.IsLoopback() || contains(s.opts.Allow, addr)
	}
	return !p.Proxy.Anonymous && contains(s.opts.Allow, addr)
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// trustedHost tells whether nobody else can make authority point elsewhere. To a Unix
// socket no name leads, so clients there say what they like.
func (s *Monitor) trustedHost(authority []byte, unix bool) bool {
	return unix || local.Names(authority, s.opts.Hosts)
}
