// Package proxy passes requests on to another HTTP server.
//
// The client side is the standard library's: httputil.ReverseProxy over its
// Transport, run as a net/http handler on a goroutine for each request. It keeps
// connections to the server open, speaks HTTP/2 with it where TLS lets them agree
// on that, streams both ways, passes trailers and interim responses on, and drops
// the fields that concern one connection only (RFC 9110 section 7.6.1).
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
)

// Options say where requests go.
type Options struct {
	// Target is http://HOST[:PORT], https://HOST[:PORT] or unix:PATH. If it
	// has a path, be it a slash only, that takes the place of Prefix in the
	// requests' paths; else they stay as they are. A Unix socket has none.
	Target string
	// Prefix is the path at which the proxy is mounted, without a slash at
	// its end.
	Prefix string
	// Timeout is how long the server may take to begin its response once it
	// has the request; then the client gets 504. Default none.
	Timeout time.Duration
	// Logger takes why requests failed.
	Logger *slog.Logger
}

const (
	// dialTimeout is for a connection to the server, its handshake included
	// under TLS.
	dialTimeout = 10 * time.Second
	// idleTimeout is how long an unused connection is kept, and keptIdle how
	// many are.
	idleTimeout = 60 * time.Second
	keptIdle    = 64
	// patience is how long the server may take to ask for a body whose client
	// waits to be asked for it (RFC 9110 section 10.1.1).
	patience = time.Second
	// copyBuffer is how much of a response is passed on at once.
	copyBuffer = 32 << 10
)

// Handler passes requests on.
type Handler struct {
	target    *url.URL
	strip     bool // the target's path takes the place of prefix
	prefix    string
	transport *http.Transport
	log       *slog.Logger
	pool      *workers.Pool
}

// New returns a handler that passes requests on to o.Target.
func New(o Options) (*Handler, error) {
	h := &Handler{prefix: o.Prefix, log: o.Logger}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := h.aim(o.Target); err != nil {
		return nil, err
	}
	h.transport.ResponseHeaderTimeout = o.Timeout
	reverse := &httputil.ReverseProxy{
		Rewrite:       h.rewrite,
		Transport:     h.transport,
		FlushInterval: -1, // each piece as it comes
		BufferPool:    &buffers{},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode != http.StatusSwitchingProtocols {
				r.Body = &content{r.Body, r.Request, h.log}
			}
			return nil
		},
		ErrorHandler: h.fail,
		ErrorLog:     slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	plain := nethttp.Handler(reverse)
	h.pool = workers.ASGI(workers.HandlerFunc(func(c *workers.Call) {
		if c.Request().Protocol != "" {
			h.serveExtended(c)
			return
		}
		plain.ServeCall(c)
	}), workers.Options{Logger: o.Logger})
	return h, nil
}

// aim sets where requests go, and how connections are made.
func (h *Handler) aim(target string) error {
	dialer := &net.Dialer{Timeout: dialTimeout}
	h.transport = &http.Transport{
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // what codings the client accepts it has said
		MaxIdleConnsPerHost:   keptIdle,
		IdleConnTimeout:       idleTimeout,
		TLSHandshakeTimeout:   dialTimeout,
		ExpectContinueTimeout: patience,
	}
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		h.target = &url.URL{Scheme: "http", Host: "localhost"}
		h.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", strings.TrimPrefix(path, "//"))
		}
		return nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%s: not the URL of an HTTP server", target)
	}
	h.target, h.strip = u, u.Path != ""
	return nil
}

// ServeExchange implements asteri.Handler.
func (h *Handler) ServeExchange(x asteri.Exchange) { h.pool.ServeExchange(x) }

// Stats tells what is being passed on.
func (h *Handler) Stats() workers.Stats { return h.pool.Stats() }

// Close closes the connections that are not in use.
func (h *Handler) Close() { h.transport.CloseIdleConnections() }

// rewrite makes the request for the server. Host stays the client's, as an
// application needs it for its links.
func (h *Handler) rewrite(r *httputil.ProxyRequest) {
	h.direct(r.Out.URL)
	r.Out.Host = r.In.Host
	r.SetXForwarded() // Rewrite has dropped what the client sent of these
	r.Out.Header.Set("Forwarded", forwarded(r.In))
	if _, named := r.Out.Header["User-Agent"]; !named {
		r.Out.Header["User-Agent"] = nil // or the Transport would name itself
	}
}

// direct turns a request's URL towards the server.
func (h *Handler) direct(u *url.URL) {
	u.Scheme, u.Host = h.target.Scheme, h.target.Host
	if !h.strip {
		return
	}
	base := strings.TrimSuffix(h.target.Path, "/")
	escaped := u.EscapedPath()
	rest := cutSegments(escaped, strings.Count(h.prefix, "/"))
	u.RawPath = strings.TrimSuffix(h.target.EscapedPath(), "/") + rest
	plain, err := url.PathUnescape(rest)
	if err != nil { // it is what EscapedPath made
		plain = rest
	}
	u.Path = base + plain
	if u.Path == "" {
		u.Path, u.RawPath = "/", ""
	}
}

// cutSegments takes the first n segments off a path.
func cutSegments(path string, n int) string {
	for range n {
		i := strings.IndexByte(path[1:], '/')
		if i < 0 {
			return ""
		}
		path = path[i+1:]
	}
	return path
}

// forwarded returns the Forwarded field of RFC 7239 for a request.
func forwarded(r *http.Request) string {
	node := "unknown"
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		node = addr.Addr().Unmap().WithZone("").String()
		if addr.Addr().Unmap().Is6() {
			node = `"[` + node + `]"`
		}
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	return "for=" + node + `;host="` + strings.ReplaceAll(r.Host, `"`, "") + `";proto=` + proto
}

// fail answers a request that got no response.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := h.outcome(r.Context(), r.Method, r.URL, err)
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	http.Error(w, fmt.Sprintf("%d %s", status, http.StatusText(status)), status)
}

// outcome returns the status for a request that failed, 0 if nobody waits for it.
func (h *Handler) outcome(ctx context.Context, method string, u *url.URL, err error) int {
	var netErr net.Error
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.As(err, &netErr) && netErr.Timeout():
		h.log.Warn("server behind a mount is late", "method", method, "url", u.Redacted(), "error", err)
		return http.StatusGatewayTimeout
	}
	h.log.Warn("server behind a mount cannot be asked", "method", method, "url", u.Redacted(), "error", err)
	return http.StatusBadGateway
}

// content is the content of a response. It logs why there is no more of it, unless it is
// the client who has left.
type content struct {
	io.ReadCloser
	request *http.Request // of the server
	log     *slog.Logger
}

// Read fails with context.Canceled, of which ReverseProxy makes no line of its own before
// it aborts the client's response.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if c.request.Context().Err() == nil {
		c.log.Warn("server behind a mount broke off its response", "method", c.request.Method, "url", c.request.URL.Redacted(), "error", err)
	}
	return n, context.Canceled
}

// buffers lends buffers for copying.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return p[:]
	}
	return make([]byte, copyBuffer)
}

func (b *buffers) Put(p []byte) {
	if len(p) == copyBuffer {
		b.pool.Put((*[copyBuffer]byte)(p))
	}
}
