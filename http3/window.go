package http3

import (
	"context"
	"sync"

	"github.com/asteri/asteri-loop"
)

// window is how much content a request's reader may read before its handler has
// consumed some: so many bytes, in so many pieces on their way to the home. The
// reader takes, the home gives.
type window struct {
	mu     sync.Mutex
	left   int
	flying int  // pieces that have not arrived
	last   bool // what is left is all that is read
	closed bool
	opened chan struct{} // has room for one signal
}

// maxFlying bounds the memory of pieces that hold few bytes each.
const maxFlying = 4

func (w *window) reset(size int) {
	w.left, w.flying, w.last, w.closed = size, 0, false, false
	select {
	case <-w.opened:
	default:
	}
}

// take waits until there is room, and takes at most most bytes of it for a piece. It
// returns asteri.ErrClosed when nobody wants more, or ctx is done.
func (w *window) take(ctx context.Context, most int) (int, error) {
	for {
		w.mu.Lock()
		n := min(w.left, most)
		over := w.closed || w.last && n <= 0
		ready := !over && n > 0 && w.flying < maxFlying
		if ready {
			w.left -= n
			w.flying++
		}
		w.mu.Unlock()
		switch {
		case over:
			return 0, asteri.ErrClosed
		case ready:
			return n, nil
		}
		select {
		case <-w.opened:
		case <-ctx.Done():
			return 0, asteri.ErrClosed
		}
	}
}

// landed says that a piece has arrived, which did not need unused bytes.
func (w *window) landed(unused int) {
	w.mu.Lock()
	w.flying--
	w.left += unused
	w.mu.Unlock()
	w.signal()
}

// give adds n bytes of room.
func (w *window) give(n int) {
	w.mu.Lock()
	w.left += n
	w.mu.Unlock()
	w.signal()
}

// finish gives n bytes of room, which is the end of it.
func (w *window) finish(n int) {
	w.mu.Lock()
	w.left, w.last = max(w.left, n), true
	w.mu.Unlock()
	w.signal()
}

// close ends the waiting.
func (w *window) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
}

func (w *window) signal() {
	select {
	case w.opened <- struct{}{}:
	default:
	}
}
