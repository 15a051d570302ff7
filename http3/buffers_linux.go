package http3

import (
	"net"

	"golang.org/x/sys/unix"
)

// bufferLimits are the system's settings.
const bufferLimits = "net.core.rmem_max and net.core.wmem_max"

// setBuffers asks for n bytes each way, beyond the system's limit if the process may
// do that, and returns what there is. Linux reports the double, for its own needs.
func setBuffers(c *net.UDPConn, n int) (read, write int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0
	}
	grow := func(fd, option, force int) int {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, n) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, n)
		}
		got, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		return got / 2
	}
	_ = raw.Control(func(fd uintptr) {
		read = grow(int(fd), unix.SO_RCVBUF, unix.SO_RCVBUFFORCE)
		write = grow(int(fd), unix.SO_SNDBUF, unix.SO_SNDBUFFORCE)
	})
	return read, write
}
