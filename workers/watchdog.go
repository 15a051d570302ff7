package workers

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

// ErrTimeout is why a call ends whose handler took longer than Options.Timeout:
// the client gets 504 (Gateway Timeout), or a reset if the response had begun.
var ErrTimeout = asteri.ErrTimeout

// watchdog finds the calls of a model that take too long. All have the same
// limit, and one timer serves them all.
type watchdog struct {
	limit time.Duration // not positive: nobody is watched
	// goesOn says that a response, once begun, must also go on: its handler
	// holds a worker.
	goesOn bool
	// late is called with calls that are not watched any more.
	late func(calls []*Call)

	mu    sync.Mutex
	first *Call // of a list by Call.guard
	armed bool  // look will be called
}

// guard is what a watchdog knows of a call.
type guard struct {
	prev, next *Call
	on         bool // in the list
	// The watchdog's mutex guards the above.

	phase atomic.Int32
	since atomic.Int64 // when the handler's present turn began, by the clock of deadlines; 0: never
}

// Phases of a response.
const (
	notBegun int32 = iota
	begun
	complete // or nobody waits for it: the handler may take its time
)

// look again no sooner than this.
const lookAfter = 10 * time.Millisecond

// begin watches c from now on.
func (w *watchdog) begin(c *Call) {
	if w.limit <= 0 {
		return
	}
	c.guard.turn()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.guard.on = true; w.first != nil {
		w.first.guard.prev = c
	}
	c.guard.next, w.first = w.first, c
	if !w.armed {
		w.armed = true
		time.AfterFunc(w.limit, w.look)
	}
}

// end watches c no longer.
func (w *watchdog) end(c *Call) {
	if w.limit <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(c)
}

func (w *watchdog) remove(c *Call) {
	at := &c.guard
	if !at.on {
		return
	}
	if at.prev != nil {
		at.prev.guard.next = at.next
	} else {
		w.first = at.next
	}
	if at.next != nil {
		at.next.guard.prev = at.prev
	}
	at.prev, at.next, at.on = nil, nil, false
}

func (w *watchdog) look() {
	now := awake.Now()
	next := w.limit
	var late []*Call
	w.mu.Lock()
	for c := w.first; c != nil; {
		following := c.guard.next
		if left := w.left(c, now); left > 0 {
			next = min(next, left)
		} else {
			w.remove(c)
			late = append(late, c)
		}
		c = following
	}
	if w.armed = w.first != nil; w.armed {
		time.AfterFunc(max(next, lookAfter), w.look)
	}
	w.mu.Unlock()
	if len(late) > 0 {
		w.late(late)
	}
}

// left returns the time that c has.
func (w *watchdog) left(c *Call, now time.Duration) time.Duration {
	switch phase := c.guard.phase.Load(); {
	case phase == complete, phase == begun && !w.goesOn, c.waitsForPeer():
		return w.limit
	}
	return w.limit - (now - time.Duration(c.guard.since.Load()))
}

// turn says that it is the handler's turn from now on.
func (g *guard) turn() { g.since.Store(cmp.Or(int64(awake.Now()), 1)) }

// turnAgain is turn for a call that somebody watches.
func (g *guard) turnAgain() {
	if g.since.Load() != 0 {
		g.turn()
	}
}

// reached notes how far the response is.
func (g *guard) reached(phase int32) {
	if g.phase.Load() != phase {
		g.phase.Store(phase)
	}
	g.turnAgain()
}

// expire ends the exchange of a call that is late. Its handler finds the call
// ended, and its context done. It is called on any goroutine.
func (c *Call) expire(where dump, attrs ...any) {
	r := c.Request()
	attrs = append(attrs, r.LogAttr(), "age", time.Since(r.Received).Round(time.Millisecond))
	if stack := where.call(c); stack != "" {
		attrs = append(attrs, "stack", stack)
	}
	c.log.Error("request timed out", attrs...)
	c.below.Post(func() {
		c.account()
		c.x.Abort(ErrTimeout)
		c.cancelled(ErrTimeout)
	})
}
