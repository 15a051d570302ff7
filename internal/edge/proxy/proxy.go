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
	reverse   httputil.ReverseProxy // but for Rewrite, which each request has of its own
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
	h.reverse = httputil.ReverseProxy{
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
	h.pool = workers.ASGI(workers.HandlerFunc(func(c *workers.Call) {
		if c.Request().Protocol != "" {
			h.serveExtended(c)
			return
		}
		h.servePlain(c)
	}), workers.Options{Logger: o.Logger})
	return h, nil
}

// servePlain passes on every request but an extended CONNECT.
func (h *Handler) servePlain(c *workers.Call) {
	reverse := h.reverse
	reverse.Rewrite = func(p *httputil.ProxyRequest) {
		h.rewrite(p.Out, c.Request())
		p.Out.Trailer = p.In.Trailer // not the copy: values come at the end of the body
	}
	nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		onlyWebSocket(r.Header)
		reverse.ServeHTTP(w, r)
	})).ServeCall(c)
}

// onlyWebSocket drops Upgrade unless it is to WebSocket: who may speak another protocol
// with the server, such as h2c, asks it for what lies outside the mount. That a server
// ignores Upgrade is nothing new to clients (RFC 9110 section 7.8). Connection, which
// names the field, is never passed on.
func onlyWebSocket(h http.Header) {
	if !asteri.EqualFold([]byte(h.Get("Upgrade")), "websocket") {
		h.Del("Upgrade")
	}
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

// rewrite turns a copy of r into the request for the server. Host stays the
// client's, as an application needs it for its links.
func (h *Handler) rewrite(out *http.Request, r *asteri.Request) {
	h.direct(out.URL)
	out.URL.RawQuery = string(r.Query) // ReverseProxy drops what net/url cannot parse
	out.Host = string(r.Authority)
	tell(out.Header, r)
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = nil // or the Transport would name itself
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

// tell has the server know the client: its address, and the host and scheme that it
// used. The request knows them, not its connection, which may be a trusted proxy's.
// What the client itself said of these goes.
func tell(out http.Header, r *asteri.Request) {
	node, host := "unknown", string(r.Authority)
	out.Del("X-Forwarded-For")
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
