package poller

import (
	"sync"
	"sync/atomic"
)

// What the owner of a poller is doing, as far as a wake-up is concerned.
const (
	running uint32 = iota // not in Wait, or not able to sleep there
	asleep                // in Wait, or about to sleep there
	woken                 // a wake-up is due: this Wait or the next must not sleep
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

// sleep announces that the owner is about to sleep. It returns false if it must
// not because a wake-up is due.
func (w *waker) sleep() bool {
	return w.phase.CompareAndSwap(running, asleep)
}

// rise says that the owner has returned from the system. Whatever was handed
// over before a wake-up that this call takes back is visible to the owner
// afterwards. The signal itself may arrive later, and then ends one more Wait
// for nothing.
func (w *waker) rise() {
	if w.phase.Load() != running {
		w.phase.Store(running)
	}
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
