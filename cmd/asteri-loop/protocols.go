package main

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/forwarded"
	"github.com/asteri/asteri-loop/loop"
)

// protocols returns what is spoken to clients, the preferred first.
func protocols(cfg *config.Config, h asteri.Handler, opts []asteri.Option) []loop.Protocol {
	h2 := http2Config(cfg).Protocol(h, opts...)
	switch {
	case !cfg.Speaks("h2"):
		return []loop.Protocol{http1.Protocol(h, opts...)}
	case !cfg.Speaks("h1"):
		return []loop.Protocol{h2}
	case cfg.HTTP2Cleartext == "upgrade" || cfg.HTTP2Cleartext == "both":
		return []loop.Protocol{h2, upgradable(h2, cfg).Protocol(h, opts...)}
	}
	return []loop.Protocol{h2, http1.Protocol(h, opts...)}
}

// upgradable lets trusted clients go from HTTP/1.1 to HTTP/2.
func upgradable(h2 loop.Protocol, cfg *config.Config) http1.Takeover {
	trusted := addresses(cfg.ForwardedAllowIPs)
	return http1.Takeover{
		Token: http2.UpgradeToken,
		Session: func(c loop.Conn, r *asteri.Request) loop.Session {
			if !forwarded.Trusts(trusted, r.Peer) {
				return nil
			}
			return http2.Upgrade(h2, c, r)
		},
	}
}

func http2Config(cfg *config.Config) http2.Config {
	return http2.Config{
		MaxConcurrentStreams: cfg.HTTP2MaxConcurrentStreams,
		InitialWindow:        int(cfg.HTTP2InitialWindowSize),
		ConnectionWindow:     int(cfg.HTTP2ConnectionWindowSize),
		MaxFrameSize:         int(cfg.HTTP2MaxFrameSize),
		StallTimeout:         cfg.WriteTimeout,
		NoCleartext:          cfg.HTTP2Cleartext == "off" || cfg.HTTP2Cleartext == "upgrade",
	}
}
