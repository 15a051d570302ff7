package http3

import "sync"

// window is how many bytes of content a request's reader may read before its handler
// has consumed some. The reader takes, the home gives.
type window struct {
	mu     sync.Mutex
	left   int
	closed error
	opened chan struct{} // has room for one signal
}

func (w *window) reset(size int) {
	w.left, w.closed = size, nil
	select {
	case <-w.opened:
	default:
	}
}

// take waits until there is room, and takes at most most bytes of it.
func (w *window) take(most int) (int, error) {
	for {
		w.mu.Lock()
		n, err := min(w.left, most), w.closed
		w.left -= max(n, 0)
		w.mu.Unlock()
		if err != nil {
			return 0, err
		}
		if n > 0 {
			return n, nil
		}
		<-w.opened
	}
}

// give adds n bytes of room.
func (w *window) give(n int) {
	w.mu.Lock()
	w.left += n
	w.mu.Unlock()
	w.signal()
}

// close ends the waiting.
func (w *window) close(err error) {
	w.mu.Lock()
	if w.closed == nil {
		w.closed = err
	}
	w.mu.Unlock()
	w.signal()
}

func (w *window) signal() {
	select {
	case w.opened <- struct{}{}:
	default:
	}
}
