// Package forwarded puts the client in the place of the proxies that stand
// between it and the server: its address, and the scheme that it used, as trusted
// proxies write them into the request.
//
// The fields are Forwarded (RFC 7239) and the X-Forwarded family, which nobody has
// written a standard for. Each proxy appends who sent it the request, so the list
// is read from its end, and only as far as it was written by proxies that are
// trusted: what a client has written itself is behind an address that is not.
package forwarded

import (
	"bytes"
	"net/http"
	"net/netip"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
)

// Fields says which fields the proxies write. A proxy passes on the others as
// the client sent them.
type Fields uint8

const (
	// Auto takes X-Forwarded fields, or Forwarded where there are none. A
	// request is refused in which both are there and name different clients.
	Auto Fields = iota
	// XForwarded takes X-Forwarded fields and ignores Forwarded.
	XForwarded
	// RFC7239 takes Forwarded and ignores X-Forwarded fields.
	RFC7239
)

// Options say who is trusted, and with what.
type Options struct {
	// Trusted are the proxies. Peers at a Unix socket are trusted too.
	Trusted *addrset.Set
	Fields  Fields
	// Host has the host that the proxy was asked for become the request's.
	Host bool
	// SecureSchemes are the fields of the X-Forwarded family that tell the
	// scheme. Nil stands for DefaultSecureSchemes.
	SecureSchemes []SecureScheme
	// ForwarderHeaders are names with underscores that proxies may send,
	// though such names are not clear in an environ, or "*" for all.
	ForwarderHeaders []string
	// RefuseUnderscores refuses requests with other names of the kind.
	RefuseUnderscores bool
}

// SecureScheme is a field that says by its value that the client used https. Any
// other value says http.
type SecureScheme struct{ Name, Secure string }

// DefaultSecureSchemes are the fields that proxies are known to send.
var DefaultSecureSchemes = []SecureScheme{
	{"X-Forwarded-Protocol", "ssl"},
	{"X-Forwarded-Proto", "https"},
	{"X-Forwarded-Ssl", "on"},
}

// Handler returns a handler that corrects requests for next. It allocates nothing
// for a request in which nothing is forwarded.
func Handler(next asteri.Handler, o Options) asteri.Handler {
	if o.SecureSchemes == nil {
		o.SecureSchemes = DefaultSecureSchemes
	}
	h := &handler{next: next, opts: o, forwarder: newForwarderNames(o.ForwarderHeaders)}
	h.setLengths()
	return h
}

type handler struct {
	next      asteri.Handler
	opts      Options
	forwarder forwarderNames
	// lengths has a bit for each length of a name that is to be looked at:
	// most fields of most requests are of another.
	lengths uint64
}

func (h *handler) setLengths() {
	if h.forwarder.all || h.opts.RefuseUnderscores {
		h.lengths = ^uint64(0)
		return
	}
	names := append([]string{nameForwarded, nameFor, nameHost, namePort}, h.forwarder.names...)
	for _, s := range h.opts.SecureSchemes {
		names = append(names, s.Name)
	}
	for _, name := range names {
		h.lengths |= lengthBit(len(name))
	}
}

// lengthBit is the bit of a length; all that are long share one.
func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// ServeExchange implements asteri.Handler.
func (h *handler) ServeExchange(x asteri.Exchange) {
	if refusal := h.apply(x.Request()); refusal != nil {
		x.Abort(refusal)
		return
	}
	h.next.ServeExchange(x)
}

// apply corrects the request.
func (h *handler) apply(r *asteri.Request) *asteri.StatusError {
	found := h.look(&r.Header)
	if found == (findings{}) {
		return nil
	}
	trusted := Trusts(h.opts.Trusted, r.Peer)
	if found.underscores {
		if refusal := h.underscores(r, trusted); refusal != nil {
			return refusal
		}
	}
	if !trusted {
		return nil
	}
	useX := found.x && h.opts.Fields != RFC7239
	useForwarded := found.forwarded && (h.opts.Fields == RFC7239 || h.opts.Fields == Auto)
	if useX || useForwarded {
		return h.forward(r, useX, useForwarded)
	}
	return nil
}

// Trusts tells whether a peer may speak for others. Whom a proxy does not name is not
// the proxy, and whoever has no address because of one is not at a Unix socket.
func Trusts(trusted *addrset.Set, p *asteri.Peer) bool {
	if p.Remote.IsValid() {
		return trusted.Contains(p.Remote.Addr()) && (p.Proxy == nil || !p.Proxy.Anonymous)
	}
	return p.Network == "unix" && p.Proxy == nil && trusted.Peer(p.Remote.Addr())
}

// findings say what a request has that may be for this handler.
type findings struct{ forwarded, x, underscores bool }

func (h *handler) look(header *asteri.Header) (found findings) {
	fields := header.Fields()
	for i := range fields {
		name := fields[i].Name
		switch {
		case h.lengths&lengthBit(len(name)) == 0:
		case asteri.EqualFold(name, nameForwarded):
			found.forwarded = true
		case asteri.EqualFold(name, nameFor), asteri.EqualFold(name, nameHost), asteri.EqualFold(name, namePort), h.tellsScheme(name):
			found.x = true
		case bytes.IndexByte(name, '_') >= 0:
			found.underscores = true
		}
	}
	return found
}

func (h *handler) tellsScheme(name []byte) bool {
	for i := range h.opts.SecureSchemes {
		if asteri.EqualFold(name, h.opts.SecureSchemes[i].Name) {
			return true
		}
	}
	return false
}

const (
	nameForwarded = "Forwarded"
	nameFor       = "X-Forwarded-For"
	nameHost      = "X-Forwarded-Host"
	namePort      = "X-Forwarded-Port"
)

// origin is what the fields say of the client.
type origin struct {
	client netip.AddrPort // invalid if they do not say
	scheme string         // "http", "https", or empty
	host   []byte         // with its port; empty if they do not say
}

// forward takes over what the fields say.
func (h *handler) forward(r *asteri.Request, useX, useForwarded bool) *asteri.StatusError {
	var o origin
	var refusal *asteri.StatusError
	switch {
	case useX && useForwarded:
		var other origin
		if o, refusal = h.xForwarded(r); refusal == nil {
			other, refusal = h.rfc7239(r)
		}
		if refusal == nil && !o.agrees(other) {
			refusal = bad("Forwarded and X-Forwarded fields disagree")
		}
	case useX:
		o, refusal = h.xForwarded(r)
	default:
		o, refusal = h.rfc7239(r)
	}
	if refusal != nil {
		return refusal
	}
	if o.scheme != "" {
		r.Scheme = o.scheme
	}
	if h.opts.Host && len(o.host) > 0 {
		r.Authority = o.host
	}
	if o.client.IsValid() {
		ownPeer(r).Remote = o.client
	}
	return nil
}

// agrees tells whether nothing that both say is different.
func (o origin) agrees(other origin) bool {
	return (!o.client.IsValid() || !other.client.IsValid() || o.client.Addr() == other.client.Addr()) &&
		(o.scheme == "" || other.scheme == "" || o.scheme == other.scheme)
}

// ownPeer gives the request a peer of its own, with room for what a proxy says. A
// certificate is the proxy's, and not the client's.
func ownPeer(r *asteri.Request) *asteri.Peer {
	own := &struct {
		peer  asteri.Peer
		proxy asteri.Proxy
	}{peer: *r.Peer}
	if r.Peer.Proxy != nil {
		own.proxy = *r.Peer.Proxy
	}
	own.peer.Proxy = &own.proxy
	if state := r.Peer.TLS; state != nil && len(state.PeerCertificates) > 0 {
		without := *state
		without.PeerCertificates, without.VerifiedChains = nil, nil
		own.peer.TLS = &without
	}
	r.Peer = &own.peer
	return r.Peer
}

func bad(reason string) *asteri.StatusError {
	return &asteri.StatusError{Code: http.StatusBadRequest, Reason: reason}
}
