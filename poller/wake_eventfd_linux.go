package poller

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// signal is an eventfd. It is registered edge-triggered, so that each write is
// an event of its own and nobody needs to read: the counter holds 2^64-2 of them.
type signal struct {
	fd int
}

// signalToken is the registration of the signal; owners must not use it.
const signalToken = ^Token(0)

func (s *signal) open(epoll int) error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd2", err)
	}
	ev := epollEvent(signalToken, unix.EPOLLIN|unix.EPOLLET)
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		_ = unix.Close(fd)
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.fd = fd
	return nil
}

var one = binary.NativeEndian.AppendUint64(nil, 1)

func (s *signal) raise() error {
	_, err := unix.Write(s.fd, one)
	return os.NewSyscallError("write eventfd", err)
}

func (s *signal) close() error {
	return os.NewSyscallError("close eventfd", unix.Close(s.fd))
}
