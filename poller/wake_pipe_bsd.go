//go:build netbsd || openbsd

package poller

import (
	"os"

	"golang.org/x/sys/unix"
)

// signal is a pipe, for systems that have no user events, or not in every
// version that is in use.
type signal struct {
	read, write int
}

func (s *signal) open(kqueue int) error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	s.read, s.write = ends[0], ends[1]
	var changes [1]unix.Kevent_t
	unix.SetKevent(&changes[0], s.read, unix.EVFILT_READ, unix.EV_ADD)
	if _, err := unix.Kevent(kqueue, changes[:], nil, nil); err != nil {
		_ = s.close()
		return os.NewSyscallError("kevent", err)
	}
	return nil
}

func (s *signal) raise() error {
	_, err := unix.Write(s.write, []byte{0})
	if err == unix.EAGAIN { // full: the owner has enough to wake up for
		return nil
	}
	return os.NewSyscallError("write pipe", err)
}

// take tells whether ev is the signal, and empties the pipe if it is. What one
// read leaves announces itself again.
func (s *signal) take(ev *unix.Kevent_t) bool {
	if int(ev.Ident) != s.read {
		return false
	}
	var buf [64]byte
	_, _ = unix.Read(s.read, buf[:])
	return true
}

func (s *signal) close() error {
	err := unix.Close(s.write)
	if e := unix.Close(s.read); err == nil {
		err = e
	}
	return os.NewSyscallError("close pipe", err)
}
