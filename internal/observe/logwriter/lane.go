package logwriter

import (
	"bytes"
	"slices"
	"sync"
)

// Lane is a way into a Writer for one of several who log much: its lock is theirs alone,
// but for the moments in which the writer takes what waits. Lines of one lane stay in
// their order. Those of two may be written in another order than they were logged in, if
// they were so within the time that lines wait.
type Lane struct {
	writer *Writer

	mu      sync.Mutex
	limit   int // of pending
	pending []byte
	closed  bool
	_       [64]byte // no cache line with another lane

	spare []byte // memory for pending; belongs to who holds the writer's outMu
}

// minLane is what a lane may hold at least, however many there are.
const minLane = 2 * writeAt

// Lane adds a lane. All of them share what may wait beside that in Write. It may be called
// from any goroutine.
func (w *Writer) Lane() *Lane {
	w.lanesMu.Lock()
	defer w.lanesMu.Unlock()
	added := &Lane{writer: w, closed: w.closed}
	all := append(slices.Clip(*w.lanes.Load()), added)
	for _, l := range all[1:] {
		l.mu.Lock()
		l.limit = max(bufferMax/(len(all)-1), minLane)
		l.mu.Unlock()
	}
	w.lanes.Store(&all)
	return added
}

// Write queues a copy of p, as that of Writer does.
func (l *Lane) Write(p []byte) {
	l.mu.Lock()
	before := len(l.pending)
	fits := !l.closed && before+len(p) <= l.limit
	if fits {
		l.pending = append(l.pending, p...)
	}
	l.mu.Unlock()
	w := l.writer
	switch {
	case !fits:
		w.lost.Add(countLines(p))
	case w.delay == 0 || before < writeAt && before+len(p) >= writeAt:
		w.wake()
	case before == 0:
		w.wakeLater()
	}
}

// take returns what waits, which is the caller's until the next time.
func (l *Lane) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending, l.spare = l.spare[:0], l.pending
	return l.spare
}

func (l *Lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
}

func countLines(p []byte) uint64 { return uint64(bytes.Count(p, []byte{'\n'})) }
