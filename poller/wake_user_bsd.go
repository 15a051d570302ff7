//go:build darwin || dragonfly || freebsd

package poller

import (
	"os"

	"golang.org/x/sys/unix"
)

// signal is a user event of the kqueue itself: it needs no descriptor.
type signal struct {
	kqueue int
}

func (s *signal) open(kqueue int) error {
	s.kqueue = kqueue
	return s.post(unix.EV_ADD|unix.EV_CLEAR, 0)
}

func (s *signal) raise() error { return s.post(0, unix.NOTE_TRIGGER) }

func (s *signal) post(flags int, note uint32) error {
	var changes [1]unix.Kevent_t
	unix.SetKevent(&changes[0], 0, unix.EVFILT_USER, flags)
	changes[0].Fflags = note
	_, err := unix.Kevent(s.kqueue, changes[:], nil, nil)
	return os.NewSyscallError("kevent", err)
}

// take tells whether ev is the signal. EV_CLEAR has reset it.
func (s *signal) take(ev *unix.Kevent_t) bool {
	return ev.Filter == unix.EVFILT_USER
}

// close leaves the event to the kqueue, which is closed next.
func (s *signal) close() error { return nil }
