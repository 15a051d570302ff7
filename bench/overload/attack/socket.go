package attack

import (
	"context"
	"net"
	"syscall"
	"time"
)

// receiveBuffer bounds what the system takes from the server for a client that does
// not read. It has to be said before the window is, in the handshake.
func receiveBuffer(n int) func(network, address string, c syscall.RawConn) error {
	if n == 0 {
		return nil
	}
	return func(_, _ string, raw syscall.RawConn) (err error) {
		if ctlErr := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, n)
		}); ctlErr != nil {
			return ctlErr
		}
		return err
	}
}

// untilReset waits until the server has reset a connection that nobody reads. An
// orderly end is behind bytes that are never read, and not seen.
func untilReset(ctx context.Context, c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for pause(ctx, 100*time.Millisecond) {
		pending := 0
		if err := raw.Control(func(fd uintptr) {
			pending, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		}); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		if pending != 0 {
			return syscall.Errno(pending)
		}
	}
	return ctx.Err()
}
