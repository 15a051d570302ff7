//go:build darwin || freebsd || openbsd || netbsd || dragonfly

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func sysRead(fd int, p []byte) (int, unix.Errno) {
	for {
		n, err := unix.Read(fd, p)
		if err == unix.EINTR {
			continue
		}
		return max(n, 0), errnoOf(err)
	}
}

func sysWrite(fd int, p []byte) (int, unix.Errno) {
	for {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		return max(n, 0), errnoOf(err)
	}
}

// sysWritev sends the first buffer only: x/sys has no writev for all of these
// systems, and the loop comes back for the rest as long as bytes are taken.
func sysWritev(fd int, iov []unix.Iovec) (int, unix.Errno) {
	return sysWrite(fd, iovBytes(iov[0]))
}

// sysWriteLast is sysWrite: not all of these systems can hold bytes back.
func sysWriteLast(fd int, p []byte) (int, unix.Errno) { return sysWrite(fd, p) }

// sysEndOfOutput closes the sending side. If it fails the peer is gone, which
// reading tells too.
func sysEndOfOutput(fd int) { _ = unix.Shutdown(fd, unix.SHUT_WR) }

func sysClose(fd int) { _ = unix.Close(fd) }

// sysAccept returns a non-blocking close-on-exec descriptor.
func sysAccept(fd int, from *unix.RawSockaddrAny) (int, unix.Errno) {
	for {
		syscall.ForkLock.RLock()
		n, sa, err := unix.Accept(fd)
		if err == nil {
			unix.CloseOnExec(n)
		}
		syscall.ForkLock.RUnlock()
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return -1, errnoOf(err)
		}
		if err := unix.SetNonblock(n, true); err != nil {
			unix.Close(n)
			return -1, errnoOf(err)
		}
		putSockaddr(from, sa)
		return n, 0
	}
}

// noDelay has no effect on a listener's connections here: see acceptedNoDelay.
func noDelay(int) {}

// acceptedNoDelay turns Nagle's algorithm off: output is gathered already.
func acceptedNoDelay(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// readWarm has no counterpart here: every file read goes to the file pool.
func readWarm(int, []byte, int64) int { return 0 }

// isWarm is not asked here: files are not sent by the system.
func isWarm(int, int64, int) bool { return false }

const canSendFile = false

func sendFile(int, int, int64, int) (int, error) { return 0, unix.ENOSYS }

const reusePortBalances = false

func errnoOf(err error) unix.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(unix.Errno); ok {
		return e
	}
	return unix.EIO
}

// putSockaddr stores an address in the form that addrPort reads.
func putSockaddr(to *unix.RawSockaddrAny, sa unix.Sockaddr) {
	*to = unix.RawSockaddrAny{}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(to))
		raw.Family, raw.Addr = unix.AF_INET, sa.Addr
		putNetworkPort(&raw.Port, sa.Port)
	case *unix.SockaddrInet6:
		raw := (*unix.RawSockaddrInet6)(unsafe.Pointer(to))
		raw.Family, raw.Addr, raw.Scope_id = unix.AF_INET6, sa.Addr, sa.ZoneId
		putNetworkPort(&raw.Port, sa.Port)
	}
}

func putNetworkPort(p *uint16, port int) {
	b := (*[2]byte)(unsafe.Pointer(p))
	b[0], b[1] = byte(port>>8), byte(port)
}

func iovBytes(v unix.Iovec) []byte { return unsafe.Slice(v.Base, int(v.Len)) }

// sysHeld is for the systems that do not tell in one way how much output of a socket
// they hold: what they have taken counts as taken by the peer.
func sysHeld(int) int { return 0 }
