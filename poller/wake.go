package poller

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// What the owner of a poller is doing, as far as a wake-up is concerned.
const (
	running uint32 = iota // not in a Wait that may sleep
	asleep                // sleeping, or about to
	woken                 // a wake-up is due: the owner must not sleep, or not go on sleeping
)

// waker coalesces wake-ups. Only the first one of an owner that sleeps costs a
// system call: an owner that runs finds the mark when it is about to sleep.
type waker struct {
	phase atomic.Uint32

	// mu keeps raise from reaching a descriptor that close has given back to
	// the system, which may be somebody else's by then.
	mu     sync.Mutex
	closed bool
	signal signal
}

// wake may be called from any goroutine.
func (w *waker) wake() error {
	if w.phase.Swap(woken) != asleep {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	return w.signal.raise()
}

// sleep announces that the owner is about to sleep. If it returns false, a
// wake-up was due, and the owner must return instead.
func (w *waker) sleep() bool {
	if w.phase.CompareAndSwap(running, asleep) {
		return true
	}
	w.rise()
	return false
}

// rise takes back wake-ups: what was handed over before them is visible to the
// owner from here on. The signal of one may still be on its way; it then ends
// one more Wait for nothing.
func (w *waker) rise() { w.phase.Store(running) }

// closeWith closes a poller's descriptor and its waker, once.
func closeWith(fd *int, w *waker) error {
	if *fd < 0 {
		return nil
	}
	err := errors.Join(w.close(), os.NewSyscallError("close poller", unix.Close(*fd)))
	*fd = -1
	return err
}

func (w *waker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	return w.signal.close()
}
