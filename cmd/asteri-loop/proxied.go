package main

import (
	"context"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/proxy"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
)

// proxied is a server that requests are passed on to.
type proxied struct {
	mount config.Mount
	log   *logs
	proxy atomic.Pointer[proxy.Handler]
	url   atomic.Pointer[string]
	queue atomic.Int64 // how many requests may wait
}

func newProxied(cfg *config.Config, m config.Mount, l *logs) (*proxied, error) {
	p := &proxied{mount: m, log: l}
	return p, p.Reload(context.Background(), cfg)
}

// Reload takes over the settings. Requests that are being passed on are not touched.
func (p *proxied) Reload(_ context.Context, cfg *config.Config) error {
	next, err := proxy.New(proxy.Options{
		Target: cfg.App, Prefix: p.mount.Prefix, Timeout: cfg.Timeout,
		MaxConns: cfg.UpstreamMaxConns, QueueSize: cfg.QueueSize, MaxHead: cfg.LimitResponseHead,
		Underscores: cfg.HeaderMap == "dangerous", Logger: p.log.Logger,
	})
	if err != nil {
		return err
	}
	p.url.Store(&cfg.App)
	p.queue.Store(int64(cfg.QueueSize))
	if before := p.proxy.Swap(next); before != nil {
		before.Close()
	}
	return nil
}

// ServeExchange implements asteri.Handler.
func (p *proxied) ServeExchange(x asteri.Exchange) { p.proxy.Load().ServeExchange(x) }

func (p *proxied) Ready(context.Context) error { return nil }

// Health has nothing to say: how the other server is, its own answers tell.
func (p *proxied) Health() error { return nil }

// Describe names the other server.
func (p *proxied) Describe() []description {
	return []description{{Application: status.Application{Name: *p.url.Load(), Interface: "http"}}}
}

// Report tells what waits for its turn: the other server has no workers here.
func (p *proxied) Report(r *status.Report) {
	r.Queue = &status.Queue{Waiting: p.proxy.Load().Stats().Queued, Capacity: int(p.queue.Load())}
}

// Scale has nothing to do: there are no workers.
func (p *proxied) Scale(int) { p.log.Info("A server behind a mount has no workers here") }

// Restart and Stacks find no worker: they are the other server's.
func (p *proxied) Restart(int) error { return python.ErrNoWorker }
func (p *proxied) Stacks(context.Context, int) (map[string]string, error) {
	return nil, python.ErrNoWorker
}

// Stop has nothing left to stop once the connections are drained.
func (p *proxied) Stop(context.Context) {}

// Kill closes the connections that are kept.
func (p *proxied) Kill() { p.proxy.Load().Close() }
