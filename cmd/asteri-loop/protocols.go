package main

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/loop"
)

// protocols returns what is spoken to clients, the preferred first.
func protocols(cfg *config.Config, h asteri.Handler, opts []asteri.Option) []loop.Protocol {
	var spoken []loop.Protocol
	if cfg.Speaks("h2") {
		spoken = append(spoken, http2Config(cfg).Protocol(h, opts...))
	}
	if cfg.Speaks("h1") {
		spoken = append(spoken, http1.Protocol(h, opts...))
	}
	return spoken
}

func http2Config(cfg *config.Config) http2.Config {
	return http2.Config{
		MaxConcurrentStreams: cfg.HTTP2MaxConcurrentStreams,
		InitialWindow:        int(cfg.HTTP2InitialWindowSize),
		ConnectionWindow:     int(cfg.HTTP2ConnectionWindowSize),
		MaxFrameSize:         int(cfg.HTTP2MaxFrameSize),
		StallTimeout:         cfg.WriteTimeout,
		NoCleartext:          cfg.HTTP2Cleartext == "off",
	}
}
