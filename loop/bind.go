package loop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/socketfile"
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
	fd, err := socketfile.Stream(family)
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

func closeAll(fds []int) {
	for _, fd := range fds {
		closeFD(fd)
	}
}
