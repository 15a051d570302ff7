// Package local tells which requests began on this machine, as far as that can be told.
//
// A loopback address is weak proof, since a proxy on this machine has one too. So whatever
// shows a proxy, or could be one, counts as a stranger: HTTP/1.0, which nginx before
// 1.29.7 speaks to its upstreams, the PROXY protocol, and the fields that proxies add. A proxy that speaks
// HTTP/1.1 and adds none cannot be told from a client.
package local

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/asteri/asteri-loop"
)

// forwarding are fields that a proxy adds. A request that has one did not begin
// at the peer of its connection.
var forwarding = []string{
	"Forwarded", "Via", "X-Real-IP",
	"CF-Connecting-IP", "Fastly-Client-IP", "Fly-Client-IP", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP",
	"X-Original-Forwarded-For",
}

const forwardedPrefix = "x-forwarded-"

// Began tells whether a request comes from a program on this machine, with nobody in between,
// and asks for this server by a name that nobody else could make point here.
func Began(r *asteri.Request, hosts []string) bool {
	p := r.Peer
	return p.Proxy == nil && p.Remote.IsValid() && !Proxied(r) &&
		p.Remote.Addr().Unmap().WithZone("").IsLoopback() && Names(r.Authority, hosts)
}

// Proxied tells whether a proxy has passed a request on, or could have.
func Proxied(r *asteri.Request) bool { return r.Proto == asteri.HTTP10 || forwarded(&r.Header) }

func forwarded(h *asteri.Header) bool {
	for _, f := range h.Fields() {
		if len(f.Name) > len(forwardedPrefix) && asteri.EqualFold(f.Name[:len(forwardedPrefix)], forwardedPrefix) {
			return true
		}
		for _, name := range forwarding {
			if asteri.EqualFold(f.Name, name) {
				return true
			}
		}
	}
	return false
}

// Names tells whether authority is localhost, an address or one of hosts, for which the
// operator vouches: nobody else can make those point elsewhere (DNS rebinding).
func Names(authority []byte, hosts []string) bool {
	host := authority
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	if asteri.EqualFold(host, "localhost") || slices.ContainsFunc(hosts, func(name string) bool { return asteri.EqualFold(host, name) }) {
		return true
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	_, err := netip.ParseAddr(string(host))
	return err == nil
}

// Foreign tells whether a page of another origin caused the request, as far as
// browsers say (Fetch Metadata; RFC 6454). That a person follows a link from there
// is no harm: the page that made the link sees nothing of the answer.
func Foreign(r *asteri.Request) bool {
	if origin := r.Header.Get("Origin"); origin != nil && string(origin) != r.Scheme+"://"+string(r.Authority) {
		return true
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); string(site) {
	case "", "same-origin", "none":
		return false
	}
	followed := r.Method == "GET" && string(r.Header.Get("Sec-Fetch-Mode")) == "navigate" && string(r.Header.Get("Sec-Fetch-Dest")) == "document"
	return !followed
}
