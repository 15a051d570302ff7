// Package mount gives requests to one of several handlers, by host and path.
package mount

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
)

// Route says which requests a handler gets.
type Route struct {
	// Host is a name without a port, in lower case; "*.example.com" stands
	// for all names below example.com. Empty is every host.
	Host string
	// Prefix is a decoded path without a slash at its end, which stands for
	// itself and for what follows it after a slash. Empty is every path.
	Prefix  string
	Handler asteri.Handler
}

// Handler returns a handler that gives each request to the route that fits it
// best: one for its host, then one for the longest name above its host, then one
// for every host; of those the one with the longest prefix. What fits none goes to
// next, or is answered 404 if next is nil. The request itself is not changed.
func Handler(routes []Route, next asteri.Handler) asteri.Handler {
	if next == nil {
		next = asteri.HandlerFunc(notFound)
	}
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b Route) int {
		return cmp.Or(hostRank(b.Host)-hostRank(a.Host), len(b.Prefix)-len(a.Prefix))
	})
	hosts := slices.ContainsFunc(routes, func(r Route) bool { return r.Host != "" })
	return &handler{routes, hosts, next}
}

// hostRank puts names before patterns, and long patterns before short ones.
func hostRank(host string) int {
	if host == "" || strings.HasPrefix(host, "*") {
		return len(host)
	}
	return 1 << 16 // longer than any pattern
}

type handler struct {
	routes []Route
	hosts  bool // there are routes for one host only
	next   asteri.Handler
}

// ServeExchange implements asteri.Handler.
func (h *handler) ServeExchange(x asteri.Exchange) {
	r := x.Request()
	var host []byte
	if h.hosts {
		host = hostOf(r.Authority)
	}
	for i := range h.routes {
		to := &h.routes[i]
		if to.Host != "" && !matchHost(to.Host, host) {
			continue
		}
		if to.Prefix == "" {
			to.Handler.ServeExchange(x)
			return
		}
		if _, ok := urlpath.Cut(r.Route, to.Prefix); ok {
			to.serve(x)
			return
		}
	}
	h.next.ServeExchange(x)
}

// serve refuses a path that is below the prefix here, but perhaps not where it is
// decoded.
func (to *Route) serve(x asteri.Exchange) {
	if x.Request().Ambiguous {
		x.Abort(asteri.ErrAmbiguousPath)
		return
	}
	to.Handler.ServeExchange(x)
}

// hostOf returns the host of an authority, without its port and without the dot
// that may end a name.
func hostOf(authority []byte) []byte {
	host := authority
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return bytes.TrimSuffix(host, []byte("."))
}

func matchHost(pattern string, host []byte) bool {
	if tail, ok := strings.CutPrefix(pattern, "*"); ok {
		n := len(host) - len(tail)
		return n > 0 && asteri.EqualFold(host[n:], tail)
	}
	return asteri.EqualFold(host, pattern)
}

func notFound(x asteri.Exchange) {
	var h asteri.Header
	h.Add("Content-Type", "text/plain; charset=utf-8")
	_ = x.Respond(http.StatusNotFound, &h, []byte("404 Not Found\n"))
}
