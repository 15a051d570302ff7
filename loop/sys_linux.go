package loop

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Non-blocking socket calls never wait, so they skip the scheduler's entry and
// exit of an ordinary system call. They must not be used on anything that can
// block: files go to the file pool.

func sysRead(fd int, p []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), 0
	}
}

func sysWrite(fd int, p []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), 0
	}
}

func sysWritev(fd int, iov []unix.Iovec) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), 0
	}
}

// sysWriteLast is sysWrite for the last bytes of a connection: the system holds
// back what does not fill a packet, for sysEndOfOutput, which must follow.
func sysWriteLast(fd int, p []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), unix.MSG_MORE|unix.MSG_NOSIGNAL, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), 0
	}
}

// sysEndOfOutput closes the sending side. If it fails the peer is gone, which
// reading tells too.
func sysEndOfOutput(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

// sysClose closes a socket that does not linger in the system's sense, which
// could wait.
func sysClose(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// sysAccept returns a non-blocking close-on-exec descriptor.
func sysAccept(fd int, from *unix.RawSockaddrAny) (int, unix.Errno) {
	for {
		size := uint32(unix.SizeofSockaddrAny)
		n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e == unix.EINTR || e == unix.ECONNABORTED {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), 0
	}
}

// noDelay turns Nagle's algorithm off for a listener's connections, since output
// is gathered already. Accepted sockets inherit it.
func noDelay(listener int) {
	_ = unix.SetsockoptInt(listener, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // fails for Unix sockets
}

// acceptedNoDelay has nothing left to do here.
func acceptedNoDelay(int) {}

// readWarm reads what the page cache holds of a file, without waiting for a
// disk.
func readWarm(fd int, p []byte, off int64) int {
	n, err := unix.Preadv2(fd, [][]byte{p}, off, unix.RWF_NOWAIT)
	if err != nil {
		return 0
	}
	return n
}

// isWarm tells whether the page cache holds n bytes of a file. Before Linux 6.5 the
// system does not say.
func isWarm(fd int, off int64, n int) bool {
	page := int64(os.Getpagesize())
	var held unix.Cachestat_t
	err := unix.Cachestat(uint(fd), &unix.CachestatRange{Off: uint64(off), Len: uint64(n)}, &held, 0)
	return err == nil && int64(held.Cache) >= (off+int64(n)-1)/page-off/page+1
}

// canSendFile tells whether sendFile works for plain sockets here.
const canSendFile = true

// sendFile moves up to n bytes from a file to a socket. It may wait for a disk.
func sendFile(sock, file int, off int64, n int) (int, error) {
	for {
		sent, err := unix.Sendfile(sock, file, &off, n)
		if err == unix.EINTR {
			continue
		}
		return sent, err
	}
}

// reusePortBalances tells whether the system spreads connections over the
// listeners of a SO_REUSEPORT group.
const reusePortBalances = true

// sysHeld returns how many bytes of a socket's output the system holds: those that the
// peer has not acknowledged.
func sysHeld(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
