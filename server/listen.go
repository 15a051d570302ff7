package server

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

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

// listen opens the ports. Requests that come before the applications are ready wait in
// their queues.
func (s *Server) listen() error {
	h, err := s.chain(s.apps.Handler)
	if err != nil {
		return err
	}
	opts := append(s.exchangeOptions(), asteri.WithObserver(s.observer()))
	for _, addr := range s.cfg.Listen.Addresses {
		if err := s.listenOn(addr, h, slices.Concat(opts, s.cfg.altSvc(addr))); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) listenOn(addr string, h asteri.Handler, opts []asteri.Option) error {
	fromProxies := s.cfg.Proxies.gateways(h, opts)
	spoken := slices.Concat(fromProxies, s.cfg.protocols(h, opts))
	lc := loop.ListenConfig{
		Addr: addr, Backlog: s.cfg.Listen.Backlog, Mode: s.cfg.Listen.Mode, Protocols: spoken,
		ProxyProtocol: s.cfg.Proxies.proxyProtocol(), Proxies: addresses(s.cfg.Proxies.ProxyProtocolFrom).Peer,
	}
	if s.tls != nil {
		lc.TLS = s.tls.Config
		lc.Plain = slices.Concat(fromProxies, s.cfg.protocols(redirectToTLS, opts))
		if s.cfg.serves("http") {
			lc.Plain = spoken
		}
	}
	ln, udp, err := s.bind(lc)
	if err != nil {
		return blame("Listen.Addresses", advisePort(err, addr))
	}
	s.addrs.Clients = append(s.addrs.Clients, ln.Addr())
	return s.listenHTTP3(addr, ln.Addr(), udp, h, opts)
}

// listenAdmin opens the listeners of those who may see and do everything.
func (s *Server) listenAdmin() error {
	for _, addr := range s.cfg.Status.Listen {
		h := http1.Protocol(s.status.Admin(), s.exchangeOptions()...)
		ln, err := s.listenWith(ForAdmin, loop.ListenConfig{Addr: addr, Backlog: s.cfg.Listen.Backlog, Mode: 0o600, Reserved: true, Protocols: []loop.Protocol{h}})
		if err != nil {
			return blame("Status.Listen", err)
		}
		if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			s.log.Warn("Who can reach the admin listener may see and do everything", "address", tcp)
		}
		s.addrs.Admin = append(s.addrs.Admin, ln.Addr())
	}
	return nil
}

// portTries is how many ports are tried that are free for UDP, until one is free for TCP.
const portTries = 32

// bind listens as lc says. If the system is to choose a port (0) that HTTP/3 has as well,
// it also returns the socket of HTTP/3: the port has to be free for both.
func (s *Server) bind(lc loop.ListenConfig) (*loop.Listener, *net.UDPConn, error) {
	host, port, _ := net.SplitHostPort(lc.Addr)
	if port != "0" || !s.cfg.speaksHTTP3(lc.Addr) || s.inherited.has(ForClients, lc.Addr) {
		ln, err := s.listenWith(ForClients, lc)
		return ln, nil, err
	}
	asked := lc.Addr
	for tries := 1; ; tries++ {
		udp, err := http3.Bind(net.JoinHostPort(strings.TrimPrefix(host, "*"), port))
		if err != nil {
			return nil, nil, noUDP(err)
		}
		lc.Addr = net.JoinHostPort(host, strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port))
		ln, err := s.engine.ListenWith(lc)
		if err == nil {
			s.heirs = append(s.heirs, &heir{use: ForClients, addr: asked, tcp: ln})
			return ln, udp, nil
		}
		_ = udp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) || tries == portTries {
			return nil, nil, err
		}
	}
}

func noUDP(err error) error {
	return fmt.Errorf("cannot open the UDP port of HTTP/3 (--http-protocols h1,h2 does without): %w", err)
}

// listenHTTP3 opens the UDP port of the same address and number as a listener's, if HTTP/3
// is spoken there. udp is its socket if that is open already.
func (s *Server) listenHTTP3(addr string, tcp net.Addr, udp *net.UDPConn, h asteri.Handler, opts []asteri.Option) error {
	bound, ok := tcp.(*net.TCPAddr)
	if !ok || !s.cfg.speaksHTTP3(addr) {
		return nil
	}
	c := s.cfg.HTTP.H3
	c.Addr, c.Socket, c.TLS = bound.String(), udp, s.tls.Current
	if host, _, _ := net.SplitHostPort(addr); host == "" || host == "*" {
		c.Addr = ":" + strconv.Itoa(bound.Port) // of both families
	}
	if err := s.inheritUDP(addr, &c); err != nil {
		return noUDP(err)
	}
	srv, err := http3.Listen(s.engine, c, h, opts...)
	if err != nil {
		return noUDP(err)
	}
	s.heirs = append(s.heirs, &heir{use: ForHTTP3, addr: addr, udp: srv})
	s.http3 = append(s.http3, srv)
	s.addrs.HTTP3 = append(s.addrs.HTTP3, srv.Addr())
	return nil
}

// speaksHTTP3 tells whether a listen address has HTTP/3: one with a port of ours.
func (c *Config) speaksHTTP3(addr string) bool {
	return c.speaks("h3") && c.serves("https") && hasPort(addr)
}

// altSvc returns what tells clients of HTTP/3 on the port of addr. They would not
// connect to a server whose certificate they do not know.
func (c *Config) altSvc(addr string) []asteri.Option {
	_, port, err := net.SplitHostPort(addr)
	if !c.speaksHTTP3(addr) || !c.TLS.hasCertificates() || err != nil || port == "0" {
		return nil
	}
	return []asteri.Option{asteri.WithAltSvc(`h3=":` + port + `"; ma=86400`)}
}
