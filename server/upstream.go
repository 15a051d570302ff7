package server

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/proxy"
	"github.com/asteri/asteri-loop/status"
)

// Upstream is a server that requests are passed on to.
type Upstream struct {
	// URL is http://HOST[:PORT], https://HOST[:PORT] or unix:PATH. If it has a path, be
	// it a slash only, that takes the place of the mount's; else paths stay as they are.
	URL string
	// Timeout is how long the server may stand still, and how long a request waits for
	// its turn. Default 30 s; negative: as long as it likes, and 30 s for the turn.
	Timeout time.Duration
	// MaxConns is how many requests and WebSockets it gets at once. Default 256.
	MaxConns int
	// QueueSize is how many requests wait beyond that; those beyond it are answered
	// 503. Default 1024.
	QueueSize int
	// MaxHead bounds the head of a response, in bytes; beyond it the client gets 502.
	// Default 256 KiB.
	MaxHead int64
}

const (
	upstreamTimeout = 30 * time.Second
	upstreamQueue   = 1024
)

// upstream passes requests on.
type upstream struct {
	prefix      string
	underscores bool
	log         *slog.Logger
	run         atomic.Pointer[upstreamRun]
}

// upstreamRun is the other server as the settings had it.
type upstreamRun struct {
	*proxy.Handler
	url   string
	queue int // how many requests may wait
}

func (s *Server) newUpstream(m *Mount) (*upstream, error) {
	u := &upstream{prefix: m.prefix(), underscores: s.cfg.Proxies.Underscores == "dangerous", log: s.log}
	return u, u.Reload(s.ctx, m)
}

// Reload takes over the settings. Requests that are being passed on are not touched.
func (u *upstream) Reload(_ context.Context, next *Mount) error {
	o := next.Upstream
	run := &upstreamRun{url: o.URL, queue: cmp.Or(o.QueueSize, upstreamQueue)}
	var err error
	run.Handler, err = proxy.New(proxy.Options{
		Target: o.URL, Prefix: u.prefix, Timeout: max(cmp.Or(o.Timeout, upstreamTimeout), 0),
		MaxConns: o.MaxConns, QueueSize: run.queue, MaxHead: o.MaxHead, Underscores: u.underscores, Logger: u.log,
	})
	if err != nil {
		return err
	}
	if before := u.run.Swap(run); before != nil {
		before.Close()
	}
	return nil
}

// ServeExchange implements asteri.Handler.
func (u *upstream) ServeExchange(x asteri.Exchange) { u.run.Load().ServeExchange(x) }

// Ready has nothing to wait for: how the other server is, its own answers tell.
func (u *upstream) Ready(context.Context) error { return nil }

// Close closes the connections that are kept.
func (u *upstream) Close(context.Context) { u.run.Load().Close() }

// Describe names the other server.
func (u *upstream) Describe() Description {
	return Description{Application: status.Application{Name: u.run.Load().url, Interface: "http"}}
}

// Report tells what waits for its turn: the other server has no workers here.
func (u *upstream) Report(r *status.Report) {
	run := u.run.Load()
	r.Queue = &status.Queue{Waiting: run.Stats().Queued, Capacity: run.queue}
}

// Pools has nothing to tell: the other server has the workers.
func (u *upstream) Pools() []status.PoolMeasures { return nil }
