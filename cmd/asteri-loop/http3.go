package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
)

// portTries is how many ports are tried that are free for UDP, until one is free for TCP.
const portTries = 32

// bind listens as lc says. If the system is to choose a port (0) that HTTP/3 has as well,
// it also returns the socket of HTTP/3: the port has to be free for both.
func (s *server) bind(lc loop.ListenConfig) (*loop.Listener, *net.UDPConn, error) {
	host, port, _ := net.SplitHostPort(lc.Addr)
	if port != "0" || !speaksHTTP3(s.cfg, lc.Addr) {
		ln, err := s.engine.ListenWith(lc)
		return ln, nil, err
	}
	for tries := 1; ; tries++ {
		udp, err := http3.Bind(net.JoinHostPort(strings.TrimPrefix(host, "*"), port))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", noUDP, err)
		}
		lc.Addr = net.JoinHostPort(host, strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port))
		ln, err := s.engine.ListenWith(lc)
		if err == nil {
			return ln, udp, nil
		}
		_ = udp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) || tries == portTries {
			return nil, nil, err
		}
	}
}

const noUDP = "cannot open the UDP port of HTTP/3 (--http-protocols h1,h2 does without)"

// listenHTTP3 opens the UDP port of the same address and number as ln, if HTTP/3 is
// spoken and ln is one that has such. udp is its socket if that is open already.
func (s *server) listenHTTP3(addr string, ln *loop.Listener, udp *net.UDPConn, h asteri.Handler, opts []asteri.Option) error {
	bound, ok := ln.Addr().(*net.TCPAddr)
	if !ok || !speaksHTTP3(s.cfg, addr) {
		return nil
	}
	address := bound.String()
	if host, _, _ := net.SplitHostPort(addr); host == "" || host == "*" {
		address = ":" + strconv.Itoa(bound.Port) // of both families
	}
	srv, err := http3.Listen(s.engine, http3.Config{
		Addr:                 address,
		Socket:               udp,
		TLS:                  s.tls.Current,
		MaxConcurrentStreams: s.cfg.HTTP3MaxConcurrentStreams,
		StreamWindow:         int(s.cfg.HTTP3InitialWindowSize),
		ConnectionWindow:     int(s.cfg.HTTP3ConnectionWindowSize),
		StallTimeout:         limit(s.cfg.WriteTimeout),
		HandshakeTimeout:     s.cfg.HandshakeTimeout,
		NoEarlyData:          !s.cfg.HTTP3EarlyData,
	}, h, opts...)
	if err != nil {
		return fmt.Errorf("%s: %w", noUDP, err)
	}
	s.http3 = append(s.http3, srv)
	return nil
}

// speaksHTTP3 tells whether a listen address has HTTP/3: one with a port of ours.
func speaksHTTP3(cfg *config.Config, addr string) bool {
	return cfg.Speaks("h3") && cfg.Serves("https") && !strings.HasPrefix(addr, "unix:") && !strings.HasPrefix(addr, "fd:")
}

// altSvc returns what tells clients of HTTP/3 on the port of addr. They would not
// connect to a server whose certificate they do not know.
func altSvc(cfg *config.Config, addr string) []asteri.Option {
	_, port, err := net.SplitHostPort(addr)
	if !speaksHTTP3(cfg, addr) || len(cfg.Certfiles) == 0 || err != nil || port == "0" {
		return nil
	}
	return []asteri.Option{asteri.WithAltSvc(`h3=":` + port + `"; ma=86400`)}
}

// reportHTTP3 adds the connections of HTTP/3 to a status report.
func (s *server) reportHTTP3(doc *status.Report) {
	for _, srv := range s.http3 {
		stats := srv.Stats()
		if doc.HTTP3 == nil {
			doc.HTTP3 = new(status.HTTP3)
		}
		doc.Connections += int64(stats.Connections)
		doc.Handshakes += stats.Handshakes
		doc.HTTP3.Connections += stats.Connections
		doc.HTTP3.Accepted += stats.Accepted
		for code, n := range stats.Errors {
			if doc.HTTP3.Errors == nil {
				doc.HTTP3.Errors = make(map[string]uint64)
			}
			doc.HTTP3.Errors[code] += n
		}
	}
}
