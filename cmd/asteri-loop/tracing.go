package main

import (
	"os"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/requestid"
	"github.com/asteri/asteri-loop/internal/trace"
)

// identified gives requests an id, before what puts clients in the place of proxies.
func identified(next asteri.Handler, cfg *config.Config) asteri.Handler {
	if cfg.RequestID == "" {
		return next
	}
	return requestid.Handler(next, cfg.RequestID, addresses(cfg.ForwardedAllowIPs))
}

// openTracer begins to trace requests, if the settings or the environment want it.
func (s *server) openTracer() (err error) {
	if !trace.Wanted(s.cfg.OTLPEndpoint, os.Getenv) {
		return nil
	}
	s.tracer, err = trace.New(trace.Options{
		Endpoint: s.cfg.OTLPEndpoint, Version: version, Getenv: os.Getenv, Logger: s.logs.Logger,
	})
	return err
}

// traced gives requests for the application their place in a trace.
func (s *server) traced(next asteri.Handler) asteri.Handler {
	if s.tracer == nil {
		return next
	}
	return s.tracer.Handler(next)
}

// closeTracer sends the spans that wait.
func (s *server) closeTracer() {
	if s.tracer != nil {
		s.tracer.Close(flushTimeout)
	}
}
