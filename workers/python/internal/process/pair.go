//go:build unix

package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// socketBuffer is asked for in both directions of a socketpair. Some systems'
// default is too small for one batch.
const socketBuffer = 256 << 10

// Pair makes a connected pair of stream sockets, close-on-exec.
func Pair() (fds [2]int, err error) {
	// Systems without SOCK_CLOEXEC need the lock that keeps a fork from
	// happening before CloseOnExec.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return fds, os.NewSyscallError("socketpair", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, nil
}

// linkPair makes a pair for a link: the front's end is non-blocking.
func linkPair(name string) (front, worker *os.File, err error) {
	fds, err := Pair()
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		// A smaller buffer works too, only slower.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" of the worker"), nil
}

// Detach takes the descriptor out of f, for the loop to own.
func Detach(f *os.File) (fd int, err error) {
	defer f.Close()
	return descriptors.DuplicateFD(f)
}
