package python

import (
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/awake"
	"github.com/asteri/asteri-loop/internal/turns"
)

// dispatcher decides which worker gets which call. It is shared by all loops
// and holds its mutex for a few instructions at a time.
type dispatcher struct {
	mu      sync.Mutex
	queue   turns.Queue[*call] // calls that wait for a worker
	limit   int                // of the queue
	workers []*worker          // those that take calls
	closed  bool               // nothing is queued any more

	heldBack turns.Queue[*call] // calls that wait for their turn on their trials
	trials   []*trial           // that have such calls

	lookTimer *time.Timer // looks after workers with calls that may wait in vain
	lookArmed bool
}

// place is where a call is, as far as the dispatcher is concerned.
type place uint8

const (
	nowhere place = iota
	queued
	placed   // at call.worker
	heldBack // until its trial has room
)

// room is the dispatcher's record of a worker, under its mutex. The calls a
// worker has are those in its hands and those on their way to it.
type room struct {
	capacity int // calls that may run
	credit   int // further calls that may wait in its link
	calls    int
	sockets  int // open WebSockets, which take no room
	// maxSockets bounds them; 0 if they are none of the worker's, but calls.
	maxSockets int

	finished  uint64 // goes up when calls are over
	recalling bool   // a RECALL has not been answered
	lookedAt         // by the watch over workers that make no progress
}

func (r *room) full() bool { return r.calls >= r.capacity+r.credit }

func (r *room) socketsFull() bool { return r.maxSockets > 0 && r.sockets >= r.maxSockets }

// less tells whether a is less busy than b.
func (r *room) less(b *room) bool { return r.calls*b.capacity < b.calls*r.capacity }

func newDispatcher(limit int) *dispatcher {
	d := &dispatcher{limit: limit}
	d.lookTimer = time.AfterFunc(time.Hour, d.look)
	d.lookTimer.Stop()
	return d
}

// submit finds a worker for c, or queues it. from is the executor of the caller:
// of two workers equally busy the one whose link lives there is nearer. It
// returns the worker to send c to; nil if it was queued. If there is no room for that
// refused is the call that gets none: c, or one that had a place, and whose connection
// has more calls before it than that of c.
func (d *dispatcher) submit(c *call, from asteri.Executor) (w *worker, refused *call) {
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
		last := d.queue.Hindmost(c.req)
		if last == nil {
			return nil, c
		}
		refused = last.Value
		d.take(refused)
	}
	c.waits(queued)
	d.queue.PushBack(&c.turn, c.req)
	return nil, refused
}

// resubmit is submit for a call that had a place already, and has it again, or that is on
// trial.
func (d *dispatcher) resubmit(c *call, from asteri.Executor, t *trial) (w *worker, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t != nil && !d.try(c, t) {
		return nil, true
	}
	return d.put(c, from)
}

// put gives a call to a worker, or puts it in front of the queue.
func (d *dispatcher) put(c *call, from asteri.Executor) (w *worker, ok bool) {
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

// waits notes where c waits, and since when, unless it has waited before.
func (c *call) waits(at place) {
	c.place, c.turn.Value = at, c
	if c.queuedAt == 0 {
		c.queuedAt = awake.Now()
	}
}

// pick returns the least busy worker that has room for c.
func (d *dispatcher) pick(c *call, from asteri.Executor) *worker {
	var best *worker
	for _, w := range d.workers {
		switch {
		case w.room.full() || c.handshake && w.room.socketsFull():
		case best == nil || w.room.less(&best.room):
			best = w
		case best.room.less(&w.room):
		case w.room.sockets != best.room.sockets:
			if w.room.sockets < best.room.sockets {
				best = w
			}
		case w.executor() == from && best.executor() != from:
			best = w
		}
	}
	return best
}

func (d *dispatcher) assign(c *call, w *worker) {
	c.place, c.worker = placed, w
	w.room.calls++
	switch r := &w.room; {
	case r.calls == r.capacity+1:
		d.beginsToWait(r)
	case r.probes && !r.unproven:
		r.unproven = true
		d.arm(probeAfter)
	}
}

// withdraw takes c out of the queue. If it is not there, it returns the worker
// that has it, or nil.
func (d *dispatcher) withdraw(c *call) (wasQueued bool, at *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch c.place {
	case queued, heldBack:
		d.take(c)
		return true, nil
	case placed:
		return false, c.worker
	}
	return false, nil
}

// release gives back the room of n calls that w has finished in took, appends the
// calls that take their place to next and returns it.
func (d *dispatcher) release(w *worker, n int, took time.Duration, next []*call) []*call {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &w.room
	r.calls -= n
	r.finished++
	r.adapt(n, took)
	return d.fill(w, next)
}

// adapt raises the credit of a worker that answers quickly, so that its next
// calls are there when it is done, and takes it from one that is slow, so that no
// call waits behind another while a worker is free.
func (r *room) adapt(n int, took time.Duration) {
	switch {
	case r.capacity >= manyCalls || n == 0 || took == unknownTime:
	case took <= quickAnswer*time.Duration(n):
		r.credit = min(r.credit+n, maxCredit)
	default:
		r.credit /= 4
	}
}

// socketsFull tells whether every worker has as many open WebSockets as it may. It is
// the answer to a handshake before it reaches an application; what has come in
// between is settled by addSocket.
func (d *dispatcher) socketsFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		if !w.room.socketsFull() {
			return false
		}
	}
	return len(d.workers) > 0
}

// addSocket counts an open WebSocket of w. It returns false if that has as many as it
// may.
func (d *dispatcher) addSocket(w *worker) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.room.socketsFull() {
		return false
	}
	w.room.sockets++
	return true
}

// removeSocket undoes addSocket.
func (d *dispatcher) removeSocket(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.room.sockets--
}

// restore gives back the room of n calls that w will not run.
func (d *dispatcher) restore(w *worker, n int, next []*call) []*call {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.room.calls -= n
	w.room.credit = 0
	w.room.recalling = false
	return d.fill(w, next)
}

// fill gives waiting calls to w while it takes calls and has room.
func (d *dispatcher) fill(w *worker, next []*call) []*call {
	for d.queue.Len() > 0 && w.takesCalls && !w.room.full() {
		c := d.queue.PopFront().Value
		d.assign(c, w)
		next = append(next, c)
	}
	return next
}

// add lets a new worker take calls, and returns those that have waited for it. One that
// has gone before that takes none.
func (d *dispatcher) add(w *worker) []*call {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.removed || w.takesCalls {
		return nil
	}
	d.admit(w)
	return d.fill(w, nil)
}

// admit lets w take calls.
func (d *dispatcher) admit(w *worker) {
	w.takesCalls = true
	d.workers = append(d.workers, w)
	d.arm(recallAfter) // the others may have calls that wait
}

// remove gives w no more calls, for good.
func (d *dispatcher) remove(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.removed = true
	d.dismiss(w)
}

// suspend gives w no more calls until it is added again.
func (d *dispatcher) suspend(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dismiss(w)
}

// dismiss gives w no more calls.
func (d *dispatcher) dismiss(w *worker) {
	w.takesCalls = false
	for i, other := range d.workers {
		if other == w {
			d.workers = append(d.workers[:i:i], d.workers[i+1:]...)
			return
		}
	}
}

// expire takes out of the queue what was put there before t.
func (d *dispatcher) expire(t time.Duration) []*call {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := before(t, &d.heldBack, before(t, &d.queue, nil))
	for _, c := range old {
		d.take(c)
	}
	return old
}

// before appends those that have waited in q since before t to old.
func before(t time.Duration, q *turns.Queue[*call], old []*call) []*call {
	for p := range q.All() {
		if c := p.Value; c.queuedAt < t {
			old = append(old, c)
		}
	}
	return old
}

// waiting returns the length of the queue.
func (d *dispatcher) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.Len() + d.heldBack.Len()
}

// at returns how many calls and how many open WebSockets w has.
func (d *dispatcher) at(w *worker) (calls, sockets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.room.calls, w.room.sockets
}

// close ends the timer and refuses what cannot be placed at once.
func (d *dispatcher) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.lookArmed = true // never again
	d.lookTimer.Stop()
}
