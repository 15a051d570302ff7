package dispatch

import (
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/workers/internal/turns"
)

// Dispatcher decides which worker gets which call. It is shared by all loops
// and holds its mutex for a few instructions at a time.
type Dispatcher struct {
	mu      sync.Mutex
	queue   turns.Queue[*Ticket] // calls that wait for a worker
	limit   int                  // of the queue
	workers []*Slots             // those that take calls
	closed  bool                 // nothing is queued any more

	heldBack turns.Queue[*Ticket] // calls that wait for their turn on their trials
	trials   []*Trial             // that have such calls

	lookTimer *time.Timer // looks after workers with calls that may wait in vain
	lookArmed bool
}

// New returns a dispatcher of which limit calls may wait.
func New(limit int) *Dispatcher {
	d := &Dispatcher{limit: limit}
	d.lookTimer = time.AfterFunc(time.Hour, d.look)
	d.lookTimer.Stop()
	return d
}

// Submit finds a worker for c, or queues it. from is the executor of the caller:
// of two workers equally busy the one whose link lives there is nearer. It
// returns the worker to send c to; nil if it was queued. If there is no room for that
// refused is the call that gets none: c, or one that had a place, and whose connection
// has more calls before it than that of c.
func (d *Dispatcher) Submit(c *Ticket, from asteri.Executor) (w *Slots, refused *Ticket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w = d.pick(c, from); w != nil {
		d.assign(c, w)
		return w, nil
	}
	if d.closed {
		return nil, c
	}
	if d.queue.Len() >= d.limit {
		last := d.queue.Hindmost(c.Request)
		if last == nil {
			return nil, c
		}
		refused = last.Value
		d.take(refused)
	}
	c.waits(queued)
	d.queue.PushBack(&c.turn, c.Request)
	return nil, refused
}

// Resubmit is submit for a call that had a place already, and has it again, or that is on
// trial.
func (d *Dispatcher) Resubmit(c *Ticket, from asteri.Executor, t *Trial) (w *Slots, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t != nil && !d.try(c, t) {
		return nil, true
	}
	return d.put(c, from)
}

// put gives a call to a worker, or puts it in front of the queue.
func (d *Dispatcher) put(c *Ticket, from asteri.Executor) (w *Slots, ok bool) {
	if w = d.pick(c, from); w != nil {
		d.assign(c, w)
		return w, true
	}
	if d.closed {
		return nil, false
	}
	c.waits(queued)
	d.queue.PushFront(&c.turn)
	return nil, true
}

// pick returns the least busy worker that has room for c.
func (d *Dispatcher) pick(c *Ticket, from asteri.Executor) *Slots {
	var best *Slots
	for _, w := range d.workers {
		switch {
		case w.full() || c.Handshake && w.socketsFull():
		case best == nil || w.less(best):
			best = w
		case best.less(w):
		case w.sockets != best.sockets:
			if w.sockets < best.sockets {
				best = w
			}
		case w.home == from && best.home != from:
			best = w
		}
	}
	return best
}

func (d *Dispatcher) assign(c *Ticket, w *Slots) {
	c.place, c.slots = placed, w
	w.calls++
	switch {
	case w.calls == w.capacity+1:
		d.beginsToWait(w)
	case w.probes && !w.unproven:
		w.unproven = true
		d.arm(probeAfter)
	}
}

// Withdraw takes c out of the queue. If it is not there, it returns the worker
// that has it, or nil.
func (d *Dispatcher) Withdraw(c *Ticket) (wasQueued bool, at *Slots) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch c.place {
	case queued, heldBack:
		d.take(c)
		return true, nil
	case placed:
		return false, c.slots
	}
	return false, nil
}

// Release gives back the slots of n calls that w has finished in took, appends the
// calls that take their place to next and returns it.
func (d *Dispatcher) Release(w *Slots, n int, took time.Duration, next []*Ticket) []*Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.calls -= n
	w.finished++
	w.adapt(n, took)
	return d.fill(w, next)
}

// SocketsFull tells whether every worker has as many open WebSockets as it may. It is
// the answer to a handshake before it reaches an application; what has come in
// between is settled by addSocket.
func (d *Dispatcher) SocketsFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		if !w.socketsFull() {
			return false
		}
	}
	return len(d.workers) > 0
}

// AddSocket counts an open WebSocket of w. It returns false if that has as many as it
// may.
func (d *Dispatcher) AddSocket(w *Slots) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.socketsFull() {
		return false
	}
	w.sockets++
	return true
}

// RemoveSocket undoes addSocket.
func (d *Dispatcher) RemoveSocket(w *Slots) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.sockets--
}

// Restore gives back the slots of n calls that w will not run.
func (d *Dispatcher) Restore(w *Slots, n int, next []*Ticket) []*Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.calls -= n
	w.credit = 0
	w.recalling = false
	return d.fill(w, next)
}

// fill gives waiting calls to w while it takes calls and has room.
func (d *Dispatcher) fill(w *Slots, next []*Ticket) []*Ticket {
	for d.queue.Len() > 0 && w.takesCalls && !w.full() {
		c := d.queue.PopFront().Value
		d.assign(c, w)
		next = append(next, c)
	}
	return next
}

// Add lets a new worker take calls, and returns those that have waited for it. One that
// has gone before that takes none.
func (d *Dispatcher) Add(w *Slots) []*Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.removed || w.takesCalls {
		return nil
	}
	d.admit(w)
	return d.fill(w, nil)
}

// admit lets w take calls.
func (d *Dispatcher) admit(w *Slots) {
	w.takesCalls = true
	d.workers = append(d.workers, w)
	d.arm(recallAfter) // the others may have calls that wait
}

// Remove gives w no more calls, for good.
func (d *Dispatcher) Remove(w *Slots) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.removed = true
	d.dismiss(w)
}

// Suspend gives w no more calls until it is added again.
func (d *Dispatcher) Suspend(w *Slots) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dismiss(w)
}

// dismiss gives w no more calls.
func (d *Dispatcher) dismiss(w *Slots) {
	w.takesCalls = false
	for i, other := range d.workers {
		if other == w {
			d.workers = append(d.workers[:i:i], d.workers[i+1:]...)
			return
		}
	}
}

// Expire takes out of the queue what was put there before t.
func (d *Dispatcher) Expire(t time.Duration) []*Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := before(t, &d.heldBack, before(t, &d.queue, nil))
	for _, c := range old {
		d.take(c)
	}
	return old
}

// before appends those that have waited in q since before t to old.
func before(t time.Duration, q *turns.Queue[*Ticket], old []*Ticket) []*Ticket {
	for p := range q.All() {
		if c := p.Value; c.queuedAt < t {
			old = append(old, c)
		}
	}
	return old
}

// Limit returns how many calls may wait.
func (d *Dispatcher) Limit() int { return d.limit }

// Waiting returns the length of the queue.
func (d *Dispatcher) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.Len() + d.heldBack.Len()
}

// Load returns how many of the workers are at work, in parts of one by the share of their slots
// that calls have, and how long the first call in the queue has waited.
func (d *Dispatcher) Load() (busy float64, waits time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		busy += float64(min(w.calls, w.capacity)) / float64(w.capacity)
	}
	for p := range d.queue.All() { // the first one
		return busy, awake.Now() - p.Value.queuedAt
	}
	return busy, 0
}

// At returns how many calls and how many open WebSockets w has.
func (d *Dispatcher) At(w *Slots) (calls, sockets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.calls, w.sockets
}

// Close ends the timer and refuses what cannot be placed at once.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.lookArmed = true // never again
	d.lookTimer.Stop()
}
