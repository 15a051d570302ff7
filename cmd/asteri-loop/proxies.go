package main

import (
	"net/netip"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/addrset"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/forwarded"
	ratelimit "github.com/asteri/asteri-loop/internal/edge/limit"
	"github.com/asteri/asteri-loop/internal/uwsgi"
	"github.com/asteri/asteri-loop/loop"
)

// addresses makes a set of a setting that Load has checked.
func addresses(networks []string) *addrset.Set {
	s, err := addrset.Parse(networks)
	if err != nil {
		panic(err)
	}
	return s
}

var forwardedFields = map[string]forwarded.Fields{
	"auto": forwarded.Auto, "x-forwarded": forwarded.XForwarded, "forwarded": forwarded.RFC7239,
}

// behindProxies puts clients in the place of the proxies that speak for them.
func behindProxies(next asteri.Handler, cfg *config.Config) asteri.Handler {
	o := forwarded.Options{
		Trusted:           addresses(cfg.ForwardedAllowIPs),
		Fields:            forwardedFields[cfg.ForwardedFields],
		Host:              cfg.ForwardedHost,
		SecureSchemes:     make([]forwarded.SecureScheme, len(cfg.SecureSchemeHeaders)),
		ForwarderHeaders:  cfg.ForwarderHeaders,
		RefuseUnderscores: cfg.HeaderMap == "refuse",
	}
	for i, s := range cfg.SecureSchemeHeaders {
		o.SecureSchemes[i].Name, o.SecureSchemes[i].Secure, _ = strings.Cut(s, "=") // Load has checked it
	}
	return forwarded.Handler(next, o)
}

// limited keeps clients to the rate of requests that they may send.
func limited(next asteri.Handler, cfg *config.Config) asteri.Handler {
	r := cfg.LimitRequests
	if r.Requests == 0 {
		return next
	}
	return ratelimit.Handler(next, ratelimit.Rate{Requests: r.Requests, Per: r.Per, Burst: r.Burst}, addresses(cfg.LimitExempt))
}

// limitConnections keeps clients to the number of connections that they may have.
// A proxy has the connections of many.
func limitConnections(lc *loop.Config, cfg *config.Config) {
	exempt, proxies := addresses(cfg.LimitExempt), addresses(cfg.ForwardedAllowIPs)
	lc.MaxConnectionsPerAddress = cfg.MaxConnectionsPerAddress
	lc.Exempt = func(a netip.Addr) bool { return exempt.Contains(a) || proxies.Contains(a) }
}

// gateways returns the protocols that only proxies speak. They are spoken on every
// port, also where clients are sent to https.
func gateways(cfg *config.Config, h asteri.Handler, opts []asteri.Option) []loop.Protocol {
	if cfg.Protocol != "uwsgi" {
		return nil
	}
	return []loop.Protocol{uwsgi.Protocol(addresses(cfg.UwsgiAllowIPs), h, opts...)}
}

var proxyProtocols = map[string]loop.ProxyProtocol{
	"off": loop.ProxyOff, "v1": loop.ProxyV1, "v2": loop.ProxyV2, "auto": loop.ProxyAny,
}

// takeProxyHeaders has a listener take PROXY headers.
func takeProxyHeaders(lc *loop.ListenConfig, cfg *config.Config) {
	lc.ProxyProtocol = proxyProtocols[cfg.ProxyProtocol]
	lc.Proxies = addresses(cfg.ProxyAllowIPs).Peer
}
