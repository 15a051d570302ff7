// Package activation takes over the sockets that a service manager has opened for this
// process: the protocol of systemd's socket activation (sd_listen_fds).
package activation

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Prefix begins a listen address that names sockets: systemd:NAME.
const Prefix = "systemd:"

// Socket is one that was passed.
type Socket struct {
	// Name is that of FileDescriptorName=, without which it is the name of the unit.
	Name string
	// Addr is where it is: a *net.TCPAddr, a *net.UnixAddr or, of one for datagrams, a *net.UDPAddr.
	Addr net.Addr

	file *os.File
	used bool
}

// Sockets are all that were passed.
type Sockets []*Socket

// Take takes them over, and has what this process starts hear nothing of them. Its error says which
// of them is of no use to a server.
func Take() (Sockets, error) {
	var all Sockets
	for _, f := range activation.Files(true) {
		s := &Socket{Name: f.Name(), file: f}
		all = append(all, s)
		if err := s.look(); err != nil {
			all.Close()
			return nil, fmt.Errorf("the socket %q that the service manager has passed: %w", s.Name, err)
		}
	}
	return all, nil
}

// look finds out what the socket is.
func (s *Socket) look() error {
	fd := int(s.file.Fd())
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	datagrams := kind == unix.SOCK_DGRAM
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		s.Addr = address(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), datagrams)
	case *unix.SockaddrInet6:
		s.Addr = address(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), datagrams)
	case *unix.SockaddrUnix:
		s.Addr = &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	listening, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN) // 0 if it cannot
	_, local := s.Addr.(*net.UnixAddr)
	switch {
	case s.Addr == nil, datagrams && local, !datagrams && kind != unix.SOCK_STREAM:
		return fmt.Errorf("is neither for streams nor of UDP")
	case !datagrams && listening == 0:
		return fmt.Errorf("is a connection: the unit has to say Accept=no")
	}
	return nil
}

func address(at netip.AddrPort, datagrams bool) net.Addr {
	if datagrams {
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}

func (s *Socket) datagrams() bool { _, is := s.Addr.(*net.UDPAddr); return is }

// Listen returns listen addresses with those in place of sockets as fd://N: systemd:NAME for each that
// has the name, and an address at which one is. Without addresses it is all of them.
func (all Sockets) Listen(addresses []string) ([]string, error) {
	var found []string
	if len(addresses) == 0 {
		for _, s := range all {
			if !s.datagrams() {
				found = append(found, s.use())
			}
		}
		return found, nil
	}
	for _, addr := range addresses {
		name, named := strings.CutPrefix(addr, Prefix)
		count := len(found)
		for _, s := range all {
			if !s.datagrams() && (named && s.Name == name || !named && s.isAt(addr)) {
				found = append(found, s.use())
			}
		}
		switch {
		case len(found) > count:
		case named:
			return nil, &UnknownError{name, all.names()}
		default:
			found = append(found, addr)
		}
	}
	return found, nil
}

func (s *Socket) use() string {
	s.used = true
	return "fd://" + strconv.Itoa(int(s.file.Fd()))
}

// isAt tells whether a listen address is where the socket is. Host names are not looked up.
func (s *Socket) isAt(addr string) bool {
	switch at := s.Addr.(type) {
	case *net.UnixAddr:
		return at.Name != "" && addr == "unix:"+at.Name
	case *net.TCPAddr:
		host, port, err := net.SplitHostPort(addr)
		if err != nil || port != strconv.Itoa(at.Port) {
			return false
		}
		ip := net.ParseIP(host)
		return (host == "" || host == "*") && at.IP.IsUnspecified() || ip != nil && ip.Equal(at.IP)
	}
	return false
}

// Packets returns the sockets for datagrams, as ones of their own.
func (all Sockets) Packets() (conns []*net.UDPConn, err error) {
	for _, s := range all {
		if !s.datagrams() {
			continue
		}
		c, err := net.FilePacketConn(s.file)
		if err != nil {
			return nil, err
		}
		s.used = true
		conns = append(conns, c.(*net.UDPConn)) // as its address says
	}
	return conns, nil
}

// Unused names those that nobody has wanted.
func (all Sockets) Unused() (names []string) {
	for _, s := range all {
		if !s.used {
			names = append(names, s.Name)
		}
	}
	return names
}

func (all Sockets) names() (names []string) {
	for _, s := range all {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// Close closes them. What listens by now has descriptors of its own.
func (all Sockets) Close() {
	for _, s := range all {
		_ = s.file.Close() // nothing was written to it
	}
}

// UnknownError says that no socket of that name was passed.
type UnknownError struct {
	Name   string
	Passed []string
}

func (e *UnknownError) Error() string {
	if len(e.Passed) == 0 {
		return Prefix + e.Name + ": the service manager has passed no socket"
	}
	return fmt.Sprintf("%s%s: the service manager has passed no socket of that name, but %s", Prefix, e.Name, strings.Join(e.Passed, ", "))
}
