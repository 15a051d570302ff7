package loop

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/socketfile"
)

// socket is where a listener is.
type socket struct {
	addr    net.Addr
	network string
	path    string           // of a Unix socket
	file    *socketfile.File // of a Unix socket that is this process's to remove; nil without
	local   netip.AddrPort   // of every connection; invalid if that depends on it
	// shared: one descriptor accepts for all loops, rather than one for each.
	shared bool
	// adopted: the file of an inherited Unix socket is the other process's yet.
	adopted bool
}

// Bound is an address that is bound already, from which nobody accepts yet: its clients
// wait in the system's queue. It is for programs that give up the right to bind an address
// before they serve it.
type Bound struct {
	socket
	fds []int // one, or one for each loop
}

// defaultBacklog is that of a ListenConfig without one.
const defaultBacklog = 2048

// Bind binds an address for a listener of this engine; the arguments are as in
// ListenConfig. What is bound is given to ListenWith, or closed. The error is an *AddrError
// for an address that makes no sense, else what the system says; both are wrapped.
func (e *Engine) Bind(addr string, backlog int, mode os.FileMode) (*Bound, error) {
	if backlog <= 0 {
		backlog = defaultBacklog
	}
	b := &Bound{socket: socket{shared: e.sharesListeners()}}
	if err := b.bind(addr, len(e.loops), backlog, cmp.Or(mode, 0o660)); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return b, nil
}

// sharesListeners tells whether one descriptor accepts for all loops, where there could be one for each.
func (e *Engine) sharesListeners() bool {
	return !reusePortBalances || e.cfg.Adaptive || len(e.loops) == 1
}

// Addr returns the address, with the port that the system chose for port 0.
func (b *Bound) Addr() net.Addr { return b.addr }

// Path returns the path of the Unix socket that was made; empty if none was.
func (b *Bound) Path() string {
	if b.file == nil {
		return ""
	}
	return b.path
}

// Close gives the address back, unless a listener has it.
func (b *Bound) Close() {
	if fds := b.take(); fds != nil {
		closeAll(fds)
		b.file.Remove()
	}
}

// take returns the descriptors, to their one owner.
func (b *Bound) take() []int {
	fds := b.fds
	b.fds = nil
	return fds
}

// bind makes the listening descriptors: one, or one for each loop.
func (b *Bound) bind(addr string, loops, backlog int, mode os.FileMode) error {
	network, rest, err := splitAddr(addr)
	if err != nil {
		return err
	}
	b.network = network
	var fd int
	switch network {
	case "unix":
		b.shared, b.path = true, rest
		b.addr = &net.UnixAddr{Name: rest, Net: "unix"}
		fd, b.file, err = socketfile.Listen(rest, backlog, mode)
		b.fds = []int{fd}
		return err
	case "fd":
		b.shared = true
		fd, err = b.inherit(rest)
		b.fds = []int{fd}
		return err
	}
	if b.shared {
		loops = 1
	}
	fds, bound, err := bindTCP(rest, loops, backlog)
	b.fds, b.addr = fds, net.TCPAddrFromAddrPort(bound)
	if !bound.Addr().IsUnspecified() {
		b.local = bound
	}
	return err
}

// inherit takes over a listening descriptor that this process was started with.
func (b *Bound) inherit(number string) (int, error) {
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
	b.name(fd)
	return fd, nil
}

// name takes over where a descriptor listens.
func (b *Bound) name(fd int) {
	switch sa, _ := unix.Getsockname(fd); sa := sa.(type) {
	case *unix.SockaddrUnix:
		b.network, b.path = "unix", sa.Name
		b.addr = &net.UnixAddr{Name: sa.Name, Net: "unix"}
	default:
		b.network = "tcp"
		b.addr = net.TCPAddrFromAddrPort(sockaddrPort(sa))
	}
}
