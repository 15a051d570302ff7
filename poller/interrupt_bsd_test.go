//go:build unix && !linux

package poller_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// thread can be sent a signal.
type thread struct{}

func currentThread() thread { return thread{} }

// interrupt sends a signal that Go's runtime expects at any time. It returns
// true if the signal is sure to go to this thread.
func (thread) interrupt(t testing.TB) bool {
	must(t, unix.Kill(unix.Getpid(), unix.SIGURG))
	return false
}
