// Package proxy passes requests on to another HTTP server.
//
// The client side is the standard library's: httputil.ReverseProxy over its
// Transport, run as a net/http handler on a goroutine for each request. It keeps
// connections to the server open, speaks HTTP/2 with it where TLS lets them agree
// on that, streams both ways, passes trailers and interim responses on, and drops
// the fields that concern one connection only (RFC 9110 section 7.6.1).
package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// Timeout is how long the server may stand still: take nothing of a request,
	// not begin its response or not go on with it. Then the client gets 504, or
	// a reset if the response had begun. Times in which the client is to go on
	// do not count, nor do WebSockets that are open. A request waits as long for
	// its turn beyond MaxConns. Default none, and 30 s for the turn.
	Timeout time.Duration
	// MaxConns is how many requests and WebSockets the server gets at once, and
	// so how many connections. Default 256.
	MaxConns int
	// QueueSize is how many requests wait beyond that. Those beyond it, and
	// those whose turn does not come in time, are answered 503. Default 1024.
	QueueSize int
	// Underscores passes fields with an underscore in their name on. Servers that
	// have fields in an environ cannot tell these from those with a hyphen, by
	// which proxies tell what clients may not.
	Underscores bool
	// MaxHead bounds the head of a response, in bytes: beyond it the client gets
	// 502. Default 256 KiB.
	MaxHead int64
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
	// continueTimeout is how long the server may take to ask for a body whose client
	// waits to be asked for it (RFC 9110 section 10.1.1).
	continueTimeout = time.Second
	// copyBuffer is how much of a response is passed on at once.
	copyBuffer = 32 << 10
	// maxHead is the default of Options.MaxHead.
	maxHead = 256 << 10
	// maxConns is the default of Options.MaxConns.
	maxConns = 256
)

// Handler passes requests on.
type Handler struct {
	target    *url.URL
	base      string // the target's path, without a slash at its end
	strip     bool   // that takes the place of prefix
	options   Options
	transport *http.Transport
	reverse   httputil.ReverseProxy // but for what each request has of its own
	log       *slog.Logger
	pool      *workers.Pool
}

// New returns a handler that passes requests on to o.Target.
func New(o Options) (*Handler, error) {
	o.MaxConns, o.MaxHead = cmp.Or(o.MaxConns, maxConns), cmp.Or(o.MaxHead, maxHead)
	h := &Handler{options: o, log: o.Logger}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := h.aim(o.Target); err != nil {
		return nil, err
	}
	h.reverse = httputil.ReverseProxy{
		Transport:     h.transport,
		FlushInterval: -1, // each piece as it comes
		BufferPool:    &buffers{},
		ErrorLog:      slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	h.pool = workers.Gevent(workers.HandlerFunc(h.serve), workers.Options{
		WorkerConnections: o.MaxConns, QueueSize: o.QueueSize, QueueTimeout: o.Timeout, Logger: o.Logger,
		Timeout: -1, // the watch knows whose turn it is
	})
	return h, nil
}

// ServeExchange implements asteri.Handler.
func (h *Handler) ServeExchange(x asteri.Exchange) {
	r := x.Request()
	switch {
	case r.Ambiguous: // the server may be one of those that it is for
		x.Abort(asteri.ErrAmbiguousPath)
	case !h.has(r):
		x.Abort(&asteri.StatusError{Code: http.StatusNotFound, Reason: "not below the mount"})
	default:
		h.pool.ServeExchange(x)
	}
}

func (h *Handler) serve(c *workers.Call) {
	if c.Request().Protocol != "" {
		h.serveExtended(c)
		return
	}
	h.servePlain(c)
}

// servePlain passes on every request but an extended CONNECT.
func (h *Handler) servePlain(c *workers.Call) {
	nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, watch := newWatch(r.Context(), h.options.Timeout)
		defer watch.stop()
		r = r.WithContext(ctx)
		onlyWebSocket(r.Header)
		h.cleanTrailer(r.Trailer)
		r.Body = &requestBody{r.Body, watch, func() { h.cleanTrailer(r.Trailer) }}
		reverse := h.reverse
		reverse.Rewrite = func(p *httputil.ProxyRequest) {
			h.rewrite(p.Out, c.Request())
			p.Out.Trailer = p.In.Trailer // not the copy: values come at the end of the body
		}
		reverse.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) { h.fail(w, r, c.Request(), err) }
		reverse.ModifyResponse = func(res *http.Response) error {
			watch.began()
			if res.StatusCode != http.StatusSwitchingProtocols {
				res.Body = &content{res.Body, res.Request, c.Request(), watch, h.log}
			}
			return nil
		}
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
		MaxConnsPerHost:       h.options.MaxConns,
		IdleConnTimeout:       idleTimeout,
		TLSHandshakeTimeout:   dialTimeout,
		ExpectContinueTimeout: continueTimeout,

		MaxResponseHeaderBytes: h.options.MaxHead,
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
	h.target, h.strip, h.base = u, u.Path != "", strings.TrimRight(u.EscapedPath(), "/")
	return nil
}

// Stats tells what is being passed on.
func (h *Handler) Stats() workers.Stats { return h.pool.Stats() }

// Close closes the connections that are not in use.
func (h *Handler) Close() { h.transport.CloseIdleConnections() }

// fail answers a request that got no response. client is what it was before.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, client *asteri.Request, err error) {
	status := h.outcome(r.Context(), client, r.URL, err)
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	http.Error(w, fmt.Sprintf("%d %s", status, http.StatusText(status)), status)
}

// outcome returns the status for a request that failed, and logs why; 0 if nobody waits for
// it.
func (h *Handler) outcome(ctx context.Context, client *asteri.Request, u *url.URL, err error) int {
	var netErr net.Error
	switch {
	case isLate(ctx), ctx.Err() == nil && errors.As(err, &netErr) && netErr.Timeout():
		h.log.Warn("server behind a mount is late", client.LogAttr(), slog.String("url", u.Redacted()), slog.Any("error", err))
		return http.StatusGatewayTimeout
	case ctx.Err() != nil:
		return 0
	}
	h.log.Warn("server behind a mount cannot be asked", client.LogAttr(), slog.String("url", u.Redacted()), slog.Any("error", err))
	return http.StatusBadGateway
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
