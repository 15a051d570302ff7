package status

import (
	"bytes"
	"net/netip"

	"github.com/asteri/asteri-loop"
)

// forwarding are fields that a proxy adds. A request that has one did not begin
// at the peer of its connection.
var forwarding = []string{"Forwarded", "Via", "X-Real-IP"}

const forwardedPrefix = "x-forwarded-"

// mayLook tells whether the request comes from a client that may see the
// server's state: one on this machine, or in one of the networks allowed.
//
// A loopback address is weak proof, since a proxy on this machine has one too.
// So whatever shows a proxy, or could be one, counts as a stranger: HTTP/1.0,
// which nginx speaks to its upstreams, the PROXY protocol, and the fields that
// proxies add. The
// host that is asked for must not be a name that someone else controls, or a web
// page could make its visitor's browser ask (DNS rebinding).
func mayLook(r *asteri.Request, allow []netip.Prefix) bool {
	if !r.Peer.Remote.IsValid() || r.Proto == asteri.HTTP10 {
		return false
	}
	addr := r.Peer.Remote.Addr().Unmap().WithZone("")
	return (addr.IsLoopback() && r.Peer.Proxy == nil || contains(allow, addr)) && !forwarded(&r.Header) && trustedHost(r.Authority)
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

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

// trustedHost tells whether authority is localhost or an address: nobody can
// make those names point elsewhere.
func trustedHost(authority []byte) bool {
	host := authority
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	if asteri.EqualFold(host, "localhost") {
		return true
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	_, err := netip.ParseAddr(string(host))
	return err == nil
}
