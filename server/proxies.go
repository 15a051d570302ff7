package server

import (
	"cmp"
	"net/netip"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/forwarded"
	"github.com/asteri/asteri-loop/internal/protocol/uwsgi"
	"github.com/asteri/asteri-loop/loop"
)

// Proxies says which peers speak for clients, and how. Peers are named by addresses and
// networks ("10.0.0.0/8"), "unix" for those at a Unix socket, "*" for everybody.
type Proxies struct {
	// Trusted may say in a request who the client is and whether it used https, and may
	// give the request's id. Default 127.0.0.1 and ::1.
	Trusted []string
	// Fields are those by which they do: "x-forwarded", "forwarded" (RFC 7239), or "auto"
	// for the former if they are there and else the latter. Default auto.
	Fields string
	// Host lets them say for which host a request is.
	Host bool
	// SecureSchemes are the fields by which they say that the client used https.
	// Default X-Forwarded-Protocol: ssl, X-Forwarded-Proto: https, X-Forwarded-Ssl: on.
	SecureSchemes []SecureScheme
	// Forwarders are field names with an underscore that they may send, "*" for all.
	// Default SCRIPT_NAME and PATH_INFO.
	Forwarders []string
	// Underscores is what becomes of other such names: "drop" hides them from WSGI
	// applications and other servers, "refuse" answers 400, and "dangerous" lets servers at
	// mounts have them. For applications that is python.Config.UnderscoreFields. Default drop.
	Underscores string

	// ProxyProtocol is the version of the PROXY header with which connections from
	// ProxyProtocolFrom begin: "v1", "v2", "auto" for both, or "off". Default off.
	ProxyProtocol string
	// ProxyProtocolFrom is by default as that of Trusted.
	ProxyProtocolFrom []string
	// Uwsgi has UwsgiFrom speak uwsgi, for nginx's uwsgi_pass; HTTP is spoken on the
	// same ports.
	Uwsgi bool
	// UwsgiFrom is by default as that of Trusted.
	UwsgiFrom []string
}

// SecureScheme is a field that says by its value that the client used https. Any other
// value says http.
type SecureScheme struct{ Name, Secure string }

var fieldsByName = map[string]forwarded.Fields{
	"auto": forwarded.Auto, "x-forwarded": forwarded.XForwarded, "forwarded": forwarded.RFC7239,
}

var proxyProtocols = map[string]loop.ProxyProtocol{
	off: loop.ProxyOff, "v1": loop.ProxyV1, "v2": loop.ProxyV2, "auto": loop.ProxyAny,
}

func (p Proxies) withDefaults() Proxies {
	loopback := []string{"127.0.0.1", "::1"}
	p.Trusted, p.ProxyProtocolFrom, p.UwsgiFrom = words(p.Trusted, loopback), words(p.ProxyProtocolFrom, loopback), words(p.UwsgiFrom, loopback)
	p.Forwarders = words(p.Forwarders, []string{"SCRIPT_NAME", "PATH_INFO"})
	p.Fields, p.Underscores = cmp.Or(p.Fields, "auto"), cmp.Or(p.Underscores, "drop")
	p.ProxyProtocol = cmp.Or(p.ProxyProtocol, off)
	return p
}

// words returns those that are meant.
func words(given, otherwise []string) []string {
	if given == nil {
		return otherwise
	}
	return given
}

func (p *Proxies) proxyProtocol() loop.ProxyProtocol { return proxyProtocols[p.ProxyProtocol] }

func (p *Proxies) options() forwarded.Options {
	o := forwarded.Options{
		Trusted: addresses(p.Trusted), Fields: fieldsByName[p.Fields], Host: p.Host,
		ForwarderHeaders: p.Forwarders, RefuseUnderscores: p.Underscores == "refuse",
	}
	if p.SecureSchemes != nil {
		o.SecureSchemes = make([]forwarded.SecureScheme, len(p.SecureSchemes))
	}
	for i, one := range p.SecureSchemes {
		o.SecureSchemes[i] = forwarded.SecureScheme(one)
	}
	return o
}

// gateways returns the protocols that only proxies speak. They are spoken on every
// port, also where clients are sent to https.
func (p *Proxies) gateways(h asteri.Handler, opts []asteri.Option) []loop.Protocol {
	if !p.Uwsgi {
		return nil
	}
	return []loop.Protocol{uwsgi.Protocol(addresses(p.UwsgiFrom), h, opts...)}
}

// exempt tells who may have any number of connections: proxies have those of many.
func (c *Config) exempt() func(netip.Addr) bool {
	exempt, proxies, further := addresses(c.Rate.Exempt), addresses(c.Proxies.Trusted), c.Engine.Exempt
	return func(a netip.Addr) bool {
		return exempt.Contains(a) || proxies.Contains(a) || further != nil && further(a)
	}
}
