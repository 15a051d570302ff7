package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
	"golang.org/x/net/http/httpguts"
)

// has tells whether a request is for what the mount maps to the server. "*" is for the
// server as a whole, which one with a path of its own does not stand for.
func (h *Handler) has(r *asteri.Request) bool {
	if string(r.Route) == "*" {
		return h.options.Prefix == "" && h.base == ""
	}
	_, ok := urlpath.Cut(r.Route, h.options.Prefix)
	return ok
}

// rewrite turns a copy of r into the request for the server. Host stays the
// client's, as an application needs it for its links.
func (h *Handler) rewrite(out *http.Request, r *asteri.Request) {
	h.direct(out.URL, r.Route)
	out.URL.RawQuery = string(r.Query) // ReverseProxy drops what net/url cannot parse
	out.Host = string(r.Authority)
	h.clean(out.Header)
	tell(out.Header, r)
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = nil // or the Transport would name itself
	}
}

// direct turns a URL towards the server, with the path by which the request was routed
// here: another spelling might mean another path there.
func (h *Handler) direct(u *url.URL, route []byte) {
	u.Scheme, u.Host = h.target.Scheme, h.target.Host
	if h.strip {
		rest, _ := urlpath.Cut(route, h.options.Prefix)
		if string(route) == "*" {
			rest = route
		}
		route = append([]byte(h.base), rest...)
	}
	if len(route) == 0 {
		route = []byte("/")
	}
	u.RawPath = string(urlpath.AppendValid(nil, route)) // or net/url would make a spelling of its own
	plain, err := url.PathUnescape(u.RawPath)
	if err != nil { // protocols and config have seen to it
		plain = u.RawPath
	}
	u.Path = plain
}

// clean takes out of a request's fields what clients have no say in: that is told by
// tell, or by proxies to whom the server is to listen.
func (h *Handler) clean(fields http.Header) {
	for name := range fields {
		if !h.passes(name) {
			delete(fields, name)
		}
	}
}

// cleanTrailer is clean for trailer fields, which some servers put among the others. It
// also takes out what may be no trailer (RFC 9110 section 6.5.1).
func (h *Handler) cleanTrailer(fields http.Header) {
	for name := range fields {
		if !h.passes(name) || !httpguts.ValidTrailerHeader(name) {
			delete(fields, name)
		}
	}
}

// passes tells whether a field may come from a client. One with an underscore is the same
// in an environ (RFC 3875 section 4.1.18) as that with hyphens: it may go on where the
// settings say so, but not in the name of what is told there, or of what frames a
// request.
func (h *Handler) passes(name string) bool {
	if strings.Contains(name, "_") {
		if !h.options.Underscores {
			return false
		}
		name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection":
			return false
		}
	}
	switch name {
	case "Forwarded", "X-Real-Ip", "Proxy": // the last: see HTTP_PROXY in an environ
		return false
	}
	return !strings.HasPrefix(name, "X-Forwarded-")
}

// tell has the server know the client: its address, and the host and scheme that it
// used. The request knows them, not its connection, which may be a trusted proxy's.
func tell(out http.Header, r *asteri.Request) {
	node, host := "unknown", string(r.Authority)
	if addr := r.Peer.Remote.Addr().Unmap().WithZone(""); addr.IsValid() {
		node = addr.String()
		out.Set("X-Forwarded-For", node)
		if addr.Is6() {
			node = `"[` + node + `]"` // RFC 7239 section 6
		}
	}
	out.Set("X-Forwarded-Host", host)
	out.Set("X-Forwarded-Proto", r.Scheme)
	out.Set("Forwarded", "for="+node+`;host="`+strings.ReplaceAll(host, `"`, "")+`";proto=`+r.Scheme)
}
