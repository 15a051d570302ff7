package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/loop"
)

// Inheritance is what a process gives to the one that is to serve in its place: its
// Server.Estate is the other one's Config.Inherited. How the descriptors get there is the
// program's affair.
type Inheritance struct {
	Sockets []Socket
	// Secret and Generation are those of HTTP/3: see http3.Succession.
	Secret     []byte
	Generation byte
}

// Socket is one that listens, or is HTTP/3's, by what it is for and by its address in the
// settings.
type Socket struct {
	Use  Use
	Addr string
	// FDs are all descriptors that it has. One of HTTP/3 has a second one, of datagrams,
	// by which packets go to the process before.
	FDs []int
}

// Use is what a socket is for.
type Use string

// The uses.
const (
	ForClients Use = "clients"
	ForHTTP3   Use = "http3"
	ForAdmin   Use = "admin"
	ForControl Use = "control"
)

// inherited are the sockets of another process that this one may use.
type inherited struct {
	all  []Socket // those that nobody has taken yet
	used []Socket
}

// take returns the descriptors of a socket, which are the caller's; nil if there is none.
func (in *inherited) take(use Use, addr string) []int {
	i := slices.IndexFunc(in.all, func(s Socket) bool { return s.Use == use && s.Addr == addr })
	if i < 0 {
		return nil
	}
	s := in.all[i]
	in.all = slices.Delete(in.all, i, i+1)
	in.used = append(in.used, Socket{Use: use, Addr: addr})
	return s.FDs
}

// has tells whether take would return something.
func (in *inherited) has(use Use, addr string) bool {
	return slices.ContainsFunc(in.all, func(s Socket) bool { return s.Use == use && s.Addr == addr })
}

// close closes what nobody has taken.
func (in *inherited) close() {
	for _, s := range in.all {
		for _, fd := range s.FDs {
			_ = unix.Close(fd) // it was never used
		}
	}
	in.all = nil
}

// heir is a listener that may be given to another process.
type heir struct {
	use  Use
	addr string
	tcp  *loop.Listener // of clients and admins
	udp  *http3.Server
	// theirs and ours are the ends of the socket by which the other process passes
	// packets on.
	theirs int
	ours   *net.UnixConn
}

func (h *heir) is(s Socket) bool { return s.Use == h.use && s.Addr == h.addr }

// inherit takes over what another process has given.
func (s *Server) inherit() {
	from := s.cfg.Inherited
	if from == nil {
		s.secret = make([]byte, 32)
		_, _ = rand.Read(s.secret)
		return
	}
	s.inherited.all = slices.Clone(from.Sockets)
	s.secret, s.generation = from.Secret, from.Generation
}

// awaitTurn has nothing accepted until Take, if another process does so yet.
func (s *Server) awaitTurn() error {
	if s.cfg.Inherited == nil {
		return nil
	}
	return s.engine.Pause(s.ctx)
}

// Estate is what another process needs to serve in the place of this one. The descriptors
// are the server's. It is to be asked for once at a time, and followed by Rescind or Yield.
func (s *Server) Estate() (*Inheritance, error) {
	if s.engine == nil {
		return nil, ErrNotStarted
	}
	e := &Inheritance{Secret: s.secret, Generation: s.generation ^ 1}
	for _, h := range s.heirs {
		switch h.use {
		case ForHTTP3:
			if err := h.connect(); err != nil {
				s.Rescind(s.ctx)
				return nil, err
			}
			fd, err := descriptors.DuplicateFD(h.udp.Socket())
			if err != nil {
				s.Rescind(s.ctx)
				return nil, err
			}
			s.lent = append(s.lent, fd)
			e.Sockets = append(e.Sockets, Socket{h.use, h.addr, []int{fd, h.theirs}})
		default:
			e.Sockets = append(e.Sockets, Socket{h.use, h.addr, h.tcp.Descriptors()})
		}
	}
	if s.control != nil {
		fd, err := s.control.Descriptor()
		if err != nil {
			s.Rescind(s.ctx)
			return nil, err
		}
		s.lent = append(s.lent, fd)
		e.Sockets = append(e.Sockets, Socket{ForControl, s.cfg.Control.Socket, []int{fd}})
	}
	return e, nil
}

// passBuffer is how many bytes of packets may wait for the process whose they are.
const passBuffer = 4 << 20

// connect makes the socket by which packets come from the process that reads ours.
func (h *heir) connect() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, passBuffer) // as much as the system grants
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, passBuffer)
	}
	h.theirs = fds[1]
	h.ours, err = datagrams(fds[0])
	return err
}

// datagrams takes over a descriptor of a Unix socket.
func datagrams(fd int) (*net.UnixConn, error) {
	c, err := fileConn(fd)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %d is no Unix socket", fd), c.Close())
	}
	return u, nil
}

func fileConn(fd int) (net.Conn, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close() // the connection has a descriptor of its own
	return net.FileConn(f)
}

// forget closes the descriptors that were made for another process, which has its own by now.
func (s *Server) forget() {
	for _, fd := range s.lent {
		_ = unix.Close(fd)
	}
	s.lent = nil
	for _, h := range s.heirs {
		if h.theirs > 0 {
			_ = unix.Close(h.theirs)
			h.theirs = 0
		}
	}
}

// Used are the sockets of Config.Inherited that the server has use for, by name.
func (s *Server) Used() []Socket { return s.inherited.used }

// Pause stops accepting, by every protocol and at the control socket, so that another
// process may: who connects waits in the system. Connections that are open are served on.
func (s *Server) Pause(ctx context.Context) error {
	for _, h := range s.heirs {
		if h.udp != nil {
			h.udp.Pause()
		}
	}
	if s.control != nil {
		s.control.Pause()
	}
	return s.engine.Pause(ctx)
}

// Take begins to accept. It is for a server with Config.Inherited whose turn it is, and
// closes what it has no use for.
func (s *Server) Take(ctx context.Context) error {
	s.inherited.close()
	return s.resume(ctx)
}

// Rescind undoes Estate, and Pause: the server goes on.
func (s *Server) Rescind(ctx context.Context) {
	s.forget()
	for _, h := range s.heirs {
		if h.ours != nil {
			_ = h.ours.Close()
			h.ours = nil
		}
	}
	if err := s.resume(ctx); err != nil {
		s.log.Error("Not all loops accept connections again yet", "error", err)
	}
}

func (s *Server) resume(ctx context.Context) error {
	for _, h := range s.heirs {
		if h.udp != nil {
			h.udp.Resume()
		}
	}
	if s.control != nil {
		s.control.Resume()
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	return s.engine.Resume(ctx)
}

// Lend has packets of HTTP/3's connections come by way of the process that reads the sockets
// now, which has those of Estate that are named in used. It is for a server that is paused.
func (s *Server) Lend(used []Socket) {
	s.forget()
	for _, h := range s.heirs {
		if h.udp == nil || h.ours == nil {
			continue
		}
		if slices.ContainsFunc(used, h.is) {
			h.udp.HandOver(h.ours)
			h.ours = nil // is its
			continue
		}
		_ = h.ours.Close()
		h.ours = nil
		h.udp.Resume() // nobody else reads it
	}
}

// Yield leaves sockets to the process that has those named in used for good: the end of this
// server does not touch their queues and files. Drain is to follow. The server is as ready
// as that process is.
func (s *Server) Yield(used []Socket) {
	var given []*loop.Listener
	for _, h := range s.heirs {
		if h.tcp != nil && slices.ContainsFunc(used, h.is) {
			given = append(given, h.tcp)
		}
	}
	if control := (Socket{Use: ForControl, Addr: s.cfg.Control.Socket}); s.control != nil {
		if slices.ContainsFunc(used, func(u Socket) bool { return u.Use == control.Use && u.Addr == control.Addr }) {
			s.control.Bequeath()
		} else {
			s.control.Resume()
		}
	}
	s.engine.Bequeath(given...)
	s.yielded.Store(true)
}

// inheritUDP takes over the socket of HTTP/3 that another process has for an address.
func (s *Server) inheritUDP(at *port) error {
	fds := s.inherited.take(ForHTTP3, at.addr)
	if len(fds) != 2 {
		return nil
	}
	udp, err := fileConn(fds[0])
	if err != nil {
		return errors.Join(err, unix.Close(fds[1]))
	}
	var ok bool
	if at.udp, ok = udp.(*net.UDPConn); !ok {
		return errors.Join(fmt.Errorf("the inherited socket of %s is not of UDP", at.addr), udp.Close(), unix.Close(fds[1]))
	}
	at.before, err = datagrams(fds[1])
	return err
}

// handoverTimeout is for what loops do at once unless a handler blocks one.
const handoverTimeout = 5 * time.Second
