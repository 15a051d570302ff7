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
	limit  int // of pending

	mu      sync.Mutex
	pending []byte
	closed  bool
	_       [64]byte // no cache line with another lane

	spare []byte // memory for pending; belongs to who holds the writer's outMu
}

// minLane is what a lane may hold at least, however many there are.
const minLane = 2 * writeAt

// Main is the lane of Write.
func (w *Writer) Main() *Lane { return &w.main }

// Lanes adds n lanes, which share what may wait beside that in Write. It is called once,
// before lines are written to them.
func (w *Writer) Lanes(n int) []*Lane {
	added := make([]*Lane, n)
	for i := range added {
		added[i] = &Lane{writer: w, limit: max(bufferMax/n, minLane)}
	}
	all := slices.Concat(*w.lanes.Load(), added)
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
