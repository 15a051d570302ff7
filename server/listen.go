package server

import (
	"net"
	"slices"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/loop"
)

// protocols returns what is spoken to clients, the preferred first. A protocol is one
// folder of the module and one line here.
func (c *Config) protocols(h asteri.Handler, opts []asteri.Option) []loop.Protocol {
	h2 := c.HTTP.H2.Protocol(h, opts...)
	switch {
	case !c.speaks("h2"):
		return []loop.Protocol{http1.Protocol(h, opts...)}
	case !c.speaks("h1"):
		return []loop.Protocol{h2}
	}
	return []loop.Protocol{h2, http1.Protocol(h, opts...)}
}

// exchangeOptions are the settings of every protocol.
func (s *Server) exchangeOptions() []asteri.Option {
	opts := []asteri.Option{
		asteri.WithLimits(s.cfg.Limits), asteri.WithTimeouts(s.cfg.Timeouts),
		asteri.WithRequestIDField(s.cfg.RequestID), asteri.WithLogger(s.log),
	}
	if s.cfg.NoKeepAlive {
		opts = append(opts, asteri.WithoutKeepAlive())
	}
	return opts
}

// listen serves the ports that Bind has opened. Requests that come before the applications
// are ready wait in their queues.
func (s *Server) listen() error {
	h, err := s.chain(s.apps.Handler)
	if err != nil {
		return err
	}
	opts := append(s.exchangeOptions(), asteri.WithObserver(s.observer()))
	for _, at := range s.ports {
		if err := s.listenOn(at, h, slices.Concat(opts, s.cfg.altSvc(at))); err != nil {
			return blame("Listen.Addresses", err)
		}
	}
	return nil
}

func (s *Server) listenOn(at *port, h asteri.Handler, opts []asteri.Option) error {
	fromProxies := s.cfg.Proxies.gateways(h, opts)
	spoken := slices.Concat(fromProxies, s.cfg.protocols(h, opts))
	lc := loop.ListenConfig{
		Bound: at.bound, Protocols: spoken,
		ProxyProtocol: s.cfg.Proxies.proxyProtocol(), Proxies: addresses(s.cfg.Proxies.ProxyProtocolFrom).Peer,
	}
	if s.tls != nil {
		lc.TLS = s.tls.Config
		lc.Plain = slices.Concat(fromProxies, s.cfg.protocols(redirectToTLS, opts))
		if s.cfg.serves("http") {
			lc.Plain = spoken
		}
	}
	ln, err := s.engine.ListenWith(lc)
	if err != nil {
		return err
	}
	s.heirs = append(s.heirs, &heir{use: ForClients, addr: at.addr, tcp: ln})
	s.addrs.Clients = append(s.addrs.Clients, ln.Addr())
	return s.listenHTTP3(at, h, opts)
}

// listenHTTP3 serves the UDP port of a listener, if there is one.
func (s *Server) listenHTTP3(at *port, h asteri.Handler, opts []asteri.Option) error {
	if at.udp == nil {
		return nil
	}
	c := s.cfg.HTTP.H3
	c.Socket, c.TLS = at.udp, s.tls.Current
	c.Succession = http3.Succession{Secret: s.secret, Generation: s.generation, Paused: s.cfg.Inherited != nil, Before: at.before}
	at.udp, at.before = nil, nil // http3's, whatever comes of it
	srv, err := http3.Listen(s.engine, c, h, opts...)
	if err != nil {
		return noUDP(err)
	}
	s.heirs = append(s.heirs, &heir{use: ForHTTP3, addr: at.addr, udp: srv})
	s.http3 = append(s.http3, srv)
	s.addrs.HTTP3 = append(s.addrs.HTTP3, srv.Addr())
	return nil
}

// altSvc returns what tells clients of HTTP/3 at a port. They would not connect to a server
// whose certificate they do not know.
func (c *Config) altSvc(at *port) []asteri.Option {
	if at.udp == nil || !c.TLS.hasCertificates() {
		return nil
	}
	number := strconv.Itoa(at.udp.LocalAddr().(*net.UDPAddr).Port)
	return []asteri.Option{asteri.WithAltSvc(`h3=":` + number + `"; ma=86400`)}
}

// listenAdmin serves those who may see and do everything.
func (s *Server) listenAdmin() error {
	for _, at := range s.adminPorts {
		h := http1.Protocol(s.status.Admin(), s.exchangeOptions()...)
		ln, err := s.engine.ListenWith(loop.ListenConfig{Bound: at.bound, Reserved: true, Protocols: []loop.Protocol{h}})
		if err != nil {
			return blame("Status.Listen", err)
		}
		s.heirs = append(s.heirs, &heir{use: ForAdmin, addr: at.addr, tcp: ln})
		if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			s.log.Warn("Who can reach the admin listener may see and do everything", "address", tcp)
		}
		s.addrs.Admin = append(s.addrs.Admin, ln.Addr())
	}
	return nil
}
