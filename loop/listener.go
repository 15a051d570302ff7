package loop

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/socketfile"
)

// ListenConfig says where and for what to listen.
type ListenConfig struct {
	// Addr is "HOST:PORT", ":PORT" (every address, IPv4 and IPv6),
	// "[::1]:PORT", "unix:PATH", or "fd://N" for an inherited listener.
	Addr string
	// Backlog is the length of the queue of connections to be accepted.
	// Default 2048; the system may have a lower bound.
	Backlog int
	// Mode are the permissions of a Unix socket. Default 0660.
	Mode os.FileMode
	// ProxyProtocol has connections from proxies begin with a PROXY header,
	// before TLS and all else, which says who the client is. Those from
	// others must not begin with one. It has HandshakeTimeout to arrive.
	ProxyProtocol ProxyProtocol
	// Proxies tells which addresses are those of proxies; nil is none. A peer
	// at a Unix socket has the zero address. It is called from all loops.
	Proxies func(netip.Addr) bool
	// Inherited are descriptors that listen at Addr already, since the process before
	// this one has bound them: all of those that it had. The engine owns them from now
	// on, also after an error. Addr then only says what they are; Mode is as it was.
	Inherited []int
	// Reserved is for a listener of the operator's: its connections are accepted
	// also when clients have all the descriptors that they may have.
	Reserved bool
	// Protocols are what is spoken, in order of preference: see Protocol.Match
	// for how one of them is chosen.
	Protocols []Protocol
	// TLS, if not nil, is asked for the configuration of each handshake, on the
	// connection's loop; Protocols are then spoken inside TLS. NextProtos should
	// name them.
	TLS func() *tls.Config
	// Plain, with TLS, are the protocols for peers that do not begin with a
	// TLS handshake, as their first byte tells. Such peers are refused if it is
	// empty. Without TLS it must be.
	Plain []Protocol
}

// Listener is one address that an engine listens on.
type Listener struct {
	cfg     ListenConfig
	addr    net.Addr
	network string
	path    string           // of a Unix socket
	file    *socketfile.File // of a Unix socket that is this process's to remove; nil without
	local   netip.AddrPort   // of every connection; invalid if that depends on it
	// shared: one descriptor accepts for all loops, rather than one for each.
	shared bool
	// adopted: the file of an inherited Unix socket is the other process's yet.
	adopted   bool
	acceptors []*acceptor
}

// Addr returns the address, with the port that the system chose for port 0.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// Listen listens on addr for plain connections that speak one of the protocols.
// See ListenConfig.Addr for its form, and ListenWith for errors.
func (e *Engine) Listen(addr string, protocols ...Protocol) error {
	_, err := e.ListenWith(ListenConfig{Addr: addr, Protocols: protocols})
	return err
}

// ListenWith listens as cfg says. The address is bound when it returns; an
// engine that runs accepts from it at once. The error is a *MisuseError for a
// configuration that makes no sense, an *AddrError for an address that does not, else
// ErrStopped or what the system says; the last three are wrapped.
func (e *Engine) ListenWith(cfg ListenConfig) (*Listener, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Backlog <= 0 {
		cfg.Backlog = 2048
	}
	ln := &Listener{cfg: cfg}
	ln.shared = !reusePortBalances || e.cfg.Adaptive || len(e.loops) == 1
	bind := ln.bind
	if len(cfg.Inherited) > 0 {
		bind = ln.adopt
	}
	fds, err := bind(e)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	}
	if err := ln.start(e, fds); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	}
	return ln, nil
}

// check tells what cannot be meant.
func (cfg *ListenConfig) check() error {
	switch {
	case len(cfg.Protocols) == 0:
		return &MisuseError{"Engine.ListenWith", "Protocols must name at least one"}
	case slices.Contains(cfg.Protocols, nil), slices.Contains(cfg.Plain, nil):
		return &MisuseError{"Engine.ListenWith", "a protocol must not be nil"}
	case cfg.TLS == nil && len(cfg.Plain) > 0:
		return &MisuseError{"Engine.ListenWith", "Plain is for listeners with TLS: without it Protocols are spoken in plain"}
	}
	return nil
}

// start gives the descriptors to the loops.
func (ln *Listener) start(e *Engine, fds []int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		closeAll(fds)
		ln.file.Remove()
		return ErrStopped
	}
	for i, fd := range fds {
		noDelay(fd)
		a := &acceptor{loop: e.loops[i%len(e.loops)], listener: ln, fd: fd}
		ln.acceptors = append(ln.acceptors, a)
		a.loop.Post(func() {
			if err := a.loop.addAcceptor(a); err != nil {
				e.cfg.Logger.Error("cannot watch a listener", "listener", ln.addr, "error", err)
			}
		})
	}
	e.listeners = append(e.listeners, ln)
	return nil
}

// close ends the listener on every loop. accepting is done when it has ended there. The
// loops must run.
func (ln *Listener) close(accepting *sync.WaitGroup) {
	for _, a := range ln.acceptors {
		accepting.Add(1)
		if !a.loop.Post(func() { defer accepting.Done(); a.remove() }) {
			accepting.Done()
		}
	}
	ln.file.Remove()
}

// bind makes the listening descriptors: one, or one for each loop.
func (ln *Listener) bind(e *Engine) ([]int, error) {
	network, rest, err := splitAddr(ln.cfg.Addr)
	if err != nil {
		return nil, err
	}
	ln.network = network
	switch network {
	case "unix":
		ln.shared, ln.path = true, rest
		ln.addr = &net.UnixAddr{Name: rest, Net: "unix"}
		fd, file, err := socketfile.Listen(rest, ln.cfg.Backlog, cmp.Or(ln.cfg.Mode, 0o660))
		ln.file = file
		return []int{fd}, err
	case "fd":
		ln.shared = true
		fd, err := ln.inherit(rest)
		return []int{fd}, err
	}
	count := len(e.loops)
	if ln.shared {
		count = 1
	}
	fds, bound, err := bindTCP(rest, count, ln.cfg.Backlog)
	ln.addr = net.TCPAddrFromAddrPort(bound)
	if !bound.Addr().IsUnspecified() {
		ln.local = bound
	}
	return fds, err
}

// inherit takes over a listening descriptor that this process was started with.
func (ln *Listener) inherit(number string) (int, error) {
	inherited, err := parseFD(number)
	if err != nil {
		return -1, err
	}
	listening, err := unix.GetsockoptInt(inherited, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || listening == 0 {
		return -1, fmt.Errorf("file descriptor %d is not a listening socket", inherited)
	}
	unix.CloseOnExec(inherited) // what this process starts has no use for it
	fd, err := unix.FcntlInt(uintptr(inherited), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		closeFD(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	ln.name(fd)
	return fd, nil
}

// name takes over where a descriptor listens.
func (ln *Listener) name(fd int) {
	switch sa, _ := unix.Getsockname(fd); sa := sa.(type) {
	case *unix.SockaddrUnix:
		ln.network, ln.path = "unix", sa.Name
		ln.addr = &net.UnixAddr{Name: sa.Name, Net: "unix"}
	default:
		ln.network = "tcp"
		ln.addr = net.TCPAddrFromAddrPort(sockaddrPort(sa))
	}
}

// unspecified reports whether host means every address of both families.
func unspecified(host string) bool { return host == "" || host == "*" }

// resolve turns a host into an address; names are looked up.
func resolve(host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, ip := range ips {
		if ip4 := ip.To4(); ip4 != nil {
			return netip.AddrFrom4([4]byte(ip4)), nil
		}
	}
	a, _ := netip.AddrFromSlice(ips[0])
	return a, nil
}
