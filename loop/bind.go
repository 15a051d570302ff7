package loop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// AddrError says what is wrong with a listen address.
type AddrError struct{ Addr, Reason string }

// Error names the address and the forms that are understood.
func (e *AddrError) Error() string {
	return fmt.Sprintf("%s: %q (use HOST:PORT, :PORT, [IPv6]:PORT, unix:PATH or fd://N)", e.Reason, e.Addr)
}

// splitAddr takes the network off a listen address.
func splitAddr(addr string) (network, rest string, err error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return "", "", &AddrError{addr, "a Unix socket needs a path"}
		}
		return "unix", path, nil
	}
	if number, ok := strings.CutPrefix(addr, "fd://"); ok {
		return "fd", number, nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", &AddrError{addr, "not a listen address"}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", &AddrError{addr, "not a port number"}
	}
	return "tcp", addr, nil
}

func parseFD(number string) (int, error) {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return -1, &AddrError{"fd://" + number, "not a file descriptor"}
	}
	return fd, nil
}

// bindTCP binds count listeners to one address. More than one share it by
// SO_REUSEPORT; an address that somebody else listens on is refused first,
// because with SO_REUSEPORT a second server would silently get every other
// connection.
func bindTCP(addr string, count, backlog int) ([]int, netip.AddrPort, error) {
	host, portText, _ := net.SplitHostPort(addr)
	port, _ := strconv.ParseUint(portText, 10, 16)
	ip := netip.IPv6Unspecified()
	dual := unspecified(host)
	if !dual {
		var err error
		if ip, err = resolve(host); err != nil {
			return nil, netip.AddrPort{}, err
		}
	}
	first, err := bindOne(ip, uint16(port), dual, false)
	if dual && errors.Is(err, unix.EAFNOSUPPORT) {
		ip = netip.IPv4Unspecified() // a system without IPv6
		first, err = bindOne(ip, uint16(port), false, false)
	}
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	bound := localAddr(first)
	fds := []int{first}
	if count > 1 {
		closeFD(first) // it was the probe
		fds = fds[:0]
	}
	for len(fds) < count {
		fd, err := bindOne(ip, bound.Port(), dual, true)
		if err != nil {
			closeAll(fds)
			return nil, bound, err
		}
		fds = append(fds, fd)
	}
	for _, fd := range fds {
		if err := unix.Listen(fd, backlog); err != nil {
			closeAll(fds)
			return nil, bound, os.NewSyscallError("listen", err)
		}
	}
	return fds, bound, nil
}

func bindOne(ip netip.Addr, port uint16, dual, reusePort bool) (int, error) {
	family := unix.AF_INET6
	if ip.Is4() {
		family = unix.AF_INET
	}
	fd, err := newSocket(family)
	if err != nil {
		return -1, err
	}
	err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	if err == nil && family == unix.AF_INET6 {
		only := 1
		if dual {
			only = 0
		}
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only))
	}
	if err == nil && reusePort {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sockaddr(ip, port)))
	}
	if err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

// newSocket returns a non-blocking close-on-exec stream socket.
func newSocket(family int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		closeFD(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// bindUnix listens on a socket file. A file that a dead server left is replaced,
// one that somebody listens on is not.
func bindUnix(path string, backlog int, mode os.FileMode) (int, error) {
	if err := checkSocketPath(path); err != nil {
		return -1, err
	}
	if err := removeStale(path); err != nil {
		return -1, err
	}
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		closeFD(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	if mode == 0 {
		mode = 0o660
	}
	err = os.Chmod(path, mode)
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	if err != nil {
		closeFD(fd)
		_ = os.Remove(path)
		return -1, err
	}
	return fd, nil
}

// checkSocketPath says what bind would only call invalid.
func checkSocketPath(path string) error {
	// The last byte is for the NUL that ends the path.
	if most := len(unix.RawSockaddrUnix{}.Path) - 1; len(path) > most {
		return fmt.Errorf("the path has %d bytes: this system allows a socket's path %d", len(path), most)
	}
	if strings.HasPrefix(path, "@") {
		return errors.New("an abstract socket has no permissions, so that every process may connect: give a path")
	}
	return nil
}

func removeStale(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return nil // nothing there; anything else shows when binding
	}
	if st.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED:
		return os.Remove(path)
	case nil, unix.EAGAIN, unix.EINPROGRESS:
		return os.NewSyscallError("bind", unix.EADDRINUSE)
	default:
		return os.NewSyscallError("connect", err)
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		closeFD(fd)
	}
}
