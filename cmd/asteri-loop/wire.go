package main

import (
	"os"
	"slices"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python"
)

// This file, and protocols.go, are where the parts of the server are named and
// joined.

// newApplication returns what is to be served.
func newApplication(eng *loop.Engine, cfg *config.Config, l *logs) (application, error) {
	if len(cfg.Mounts) > 0 {
		return newSites(eng, cfg, l)
	}
	if cfg.App == "" {
		return newDemonstration(eng, cfg, l)
	}
	return newPythonApp(eng, cfg, "", l)
}

// servesPython tells whether workers need processors beside the loops.
func servesPython(cfg *config.Config) bool {
	return cfg.App != "" || slices.ContainsFunc(cfg.Mounts, func(m config.Mount) bool { return !m.IsURL() })
}

func newEngine(cfg *config.Config, l *logs) (*loop.Engine, error) {
	lc := loop.Config{
		Loops:            cfg.Loops,
		Adaptive:         cfg.Loops == 0 && servesPython(cfg),
		WriteTimeout:     cfg.WriteTimeout,
		MinWriteRate:     limit(int(cfg.MinResponseRate)),
		WriteGrace:       cfg.RateGrace,
		HandshakeTimeout: cfg.HandshakeTimeout,
		MaxHandshakes:    cfg.MaxHandshakes,
		GracefulTimeout:  cfg.GracefulTimeout - python.LastCall(cfg.GracefulTimeout), // what then is left is for workers
		BufferBudget:     cfg.BufferBudget,
		OnPressure:       thrift(cfg.BufferBudget),
		MaxConnections:   cfg.MaxConnections,
		Logger:           l.Logger,
	}
	limitConnections(&lc, cfg)
	return loop.New(lc)
}

// exchangeOptions are the settings of every protocol.
func exchangeOptions(cfg *config.Config, l *logs) []asteri.Option {
	opts := []asteri.Option{
		asteri.WithLimits(asteri.Limits{
			RequestLine: limit(int(cfg.LimitRequestLine)),
			Fields:      limit(cfg.LimitRequestFields),
			FieldSize:   limit(int(cfg.LimitRequestFieldSize)),
			Head:        limit(int(cfg.LimitRequestHead)),
			Body:        limit(cfg.MaxBodySize),
		}),
		asteri.WithTimeouts(asteri.Timeouts{
			Header:       limit(cfg.HeaderTimeout),
			Body:         limit(cfg.BodyTimeout),
			BodyRate:     limit(int(cfg.MinBodyRate)),
			ResponseRate: limit(int(cfg.MinResponseRate)),
			RateGrace:    cfg.RateGrace,
			KeepAlive:    cfg.KeepAlive, // for 0: the default, in which the first request must come
		}),
		asteri.WithRequestIDField(cfg.RequestID),
		asteri.WithLogger(l.Logger),
	}
	if cfg.KeepAlive == 0 {
		opts = append(opts, asteri.WithoutKeepAlive())
	}
	return opts
}

// limit translates "0 is no limit", as users say it, into the spelling of package
// asteri, where 0 is the default and a negative number no limit.
func limit[T int | int64 | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// handler puts what the server answers itself in front of the application.
func (s *server) handler() (asteri.Handler, error) {
	h, err := edge(s.app, s.cfg, s.logs)
	if err != nil {
		return nil, err
	}
	h = s.traced(limited(h, s.cfg))
	if s.status != nil {
		h = s.status.Handler(h)
	}
	return h, nil
}

// listen opens the ports. Requests that come before the application is ready
// wait in its queue.
func (s *server) listen() error {
	opts := append(exchangeOptions(s.cfg, s.logs), asteri.WithObserver(s.observer()))
	h, err := s.handler()
	if err != nil {
		return err
	}
	h = identified(behindProxies(h, s.cfg), s.cfg)
	fromProxies := gateways(s.cfg, h, opts)
	for _, addr := range s.cfg.Bind {
		opts := slices.Concat(opts, altSvc(s.cfg, addr))
		spoken := slices.Concat(fromProxies, protocols(s.cfg, h, opts))
		lc := loop.ListenConfig{
			Addr:      addr,
			Backlog:   s.cfg.Backlog,
			Mode:      os.ModePerm &^ s.cfg.Umask,
			Protocols: spoken,
		}
		takeProxyHeaders(&lc, s.cfg)
		if s.tls != nil {
			lc.TLS = s.tls.Config
			lc.Plain = slices.Concat(fromProxies, protocols(s.cfg, redirectToTLS, opts))
			if s.cfg.Serves("http") {
				lc.Plain = spoken
			}
		}
		ln, udp, err := s.bind(lc)
		if err != nil {
			return blameSettings(advisePort(err, addr))
		}
		s.listeners = append(s.listeners, ln)
		if err := s.listenHTTP3(addr, ln, udp, h, opts); err != nil {
			return err
		}
	}
	return nil
}
