package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/loop"
)

// port is an address that is bound, and its UDP socket if HTTP/3 is spoken there.
type port struct {
	addr  string // in the settings
	bound *loop.Bound
	udp   *net.UDPConn
	// before is where packets go that are another process's.
	before *net.UnixConn
}

func (p *port) close() {
	p.bound.Close()
	if p.udp != nil {
		_ = p.udp.Close() // nobody has used it
	}
	if p.before != nil {
		_ = p.before.Close()
	}
}

// Bind opens the ports and the access log. Start does so too: Bind is for programs that give
// up privileges in between. Clients wait until Start serves them. After an error the server
// is closed.
func (s *Server) Bind() error {
	if s.bound.Swap(true) || s.begun.Load() {
		return ErrStarted
	}
	err := s.bindAll()
	if err != nil {
		_ = s.Close() // the first error says more
	}
	return err
}

func (s *Server) bindAll() (err error) {
	if err := s.openAccess(); err != nil {
		return err
	}
	s.openStatsd() // of which the log below knows
	if s.engine, err = loop.New(s.engineConfig()); err != nil {
		return err
	}
	s.inherit()
	s.packets = slices.Clone(s.cfg.Listen.Packets)
	for _, addr := range s.cfg.Listen.Addresses {
		at, err := s.bindTo(addr)
		if err != nil {
			return blame("Listen.Addresses", advisePort(err, addr))
		}
		s.ports = append(s.ports, at)
	}
	if s.cfg.Status.Off {
		return nil
	}
	for _, addr := range s.cfg.Status.Listen {
		bound, err := s.bindOne(ForAdmin, addr, 0o600)
		if err != nil {
			return blame("Status.Listen", advisePort(err, addr))
		}
		s.adminPorts = append(s.adminPorts, &port{addr: addr, bound: bound})
	}
	return nil
}

// bindOne opens an address, or takes over that of another process.
func (s *Server) bindOne(use Use, addr string, mode os.FileMode) (*loop.Bound, error) {
	if fds := s.inherited.take(use, addr); len(fds) > 0 {
		return s.engine.Adopt(addr, s.cfg.Listen.Backlog, fds)
	}
	return s.engine.Bind(addr, s.cfg.Listen.Backlog, mode)
}

// portTries is how many ports are tried that are free for UDP, until one is free for TCP.
const portTries = 32

// bindTo opens an address, and the UDP port of the same number if HTTP/3 is spoken there. If
// the system is to choose the number (0), that has to be free for both.
func (s *Server) bindTo(addr string) (*port, error) {
	host, number, _ := net.SplitHostPort(addr)
	if number != "0" || !s.cfg.speaksHTTP3(addr) || s.inherited.has(ForClients, addr) {
		bound, err := s.bindOne(ForClients, addr, s.cfg.Listen.Mode)
		if err != nil {
			return nil, err
		}
		at := &port{addr: addr, bound: bound}
		if err := s.openUDP(at); err != nil {
			at.close()
			return nil, noUDP(err)
		}
		return at, nil
	}
	for tries := 1; ; tries++ {
		udp, err := http3.Bind(net.JoinHostPort(strings.TrimPrefix(host, "*"), number))
		if err != nil {
			return nil, noUDP(err)
		}
		bound, err := s.engine.Bind(net.JoinHostPort(host, strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port)), s.cfg.Listen.Backlog, 0)
		if err == nil {
			return &port{addr: addr, bound: bound, udp: udp}, nil
		}
		_ = udp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) || tries == portTries {
			return nil, err
		}
	}
}

// openUDP gives a port the UDP port of the same number, if HTTP/3 is to be spoken there: another
// process's, one that is open already, else one that is opened, if the address is ours.
func (s *Server) openUDP(at *port) (err error) {
	tcp, ok := at.bound.Addr().(*net.TCPAddr)
	if !ok || !s.cfg.speaks("h3") || !s.cfg.serves("https") {
		return nil
	}
	if err := s.inheritUDP(at); err != nil || at.udp != nil {
		return err
	}
	if at.udp = s.takePacket(tcp); at.udp != nil || !hasPort(at.addr) {
		return nil
	}
	where := tcp.String()
	if host, _, _ := net.SplitHostPort(at.addr); host == "" || host == "*" {
		where = ":" + strconv.Itoa(tcp.Port) // of both families
	}
	at.udp, err = http3.Bind(where)
	return err
}

// takePacket returns the socket of Listen.Packets that belongs to a listener, or nil.
func (s *Server) takePacket(tcp *net.TCPAddr) *net.UDPConn {
	for i, c := range s.packets {
		if at, ok := c.LocalAddr().(*net.UDPAddr); ok && at.Port == tcp.Port && (at.IP.IsUnspecified() || at.IP.Equal(tcp.IP)) {
			s.packets = slices.Delete(s.packets, i, i+1)
			return c
		}
	}
	return nil
}

func noUDP(err error) error {
	return fmt.Errorf("cannot open the UDP port of HTTP/3 (--http-protocols h1,h2 does without): %w", err)
}

// speaksHTTP3 tells whether a listen address has HTTP/3: one with a port of ours.
func (c *Config) speaksHTTP3(addr string) bool {
	return c.speaks("h3") && c.serves("https") && hasPort(addr)
}

// SocketFiles are the paths of the Unix sockets that Bind has made.
func (s *Server) SocketFiles() (paths []string) {
	for _, at := range slices.Concat(s.ports, s.adminPorts) {
		if path := at.bound.Path(); path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}
