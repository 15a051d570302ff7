//go:build !linux

package http3

import (
	"net"

	"golang.org/x/sys/unix"
)

// bufferLimits is the system's setting.
const bufferLimits = "kern.ipc.maxsockbuf"

// setBuffers asks for n bytes each way and returns what there is.
func setBuffers(c *net.UDPConn, n int) (read, write int) {
	_ = c.SetReadBuffer(n)
	_ = c.SetWriteBuffer(n)
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0
	}
	_ = raw.Control(func(fd uintptr) {
		read, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		write, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return read, write
}
