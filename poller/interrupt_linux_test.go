package poller_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// thread can be sent a signal.
type thread int

func currentThread() thread { return thread(unix.Gettid()) }

// interrupt sends a signal that Go's runtime expects at any time. It returns
// true if the signal is sure to go to this thread.
func (th thread) interrupt(t testing.TB) bool {
	must(t, unix.Tgkill(unix.Getpid(), int(th), unix.SIGURG))
	return true
}
