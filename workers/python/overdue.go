package python

import "time"

// A worker that makes no progress keeps the calls that it has not begun with from others
// that could run them. The dispatcher looks after workers for as long as that may be so,
// and calls them back: a call that a worker gives back has not been started, so that it
// may run elsewhere whatever its method.
//
// Where a worker runs few calls at once the front knows which ones wait. One with an
// event loop starts all that it gets, unless its loop does not come to it; so when
// nothing has come of such a worker for a while, it gets a PROBE behind its requests,
// which it answers when it has begun with them. While it owes the answer, it gets no
// calls.

// lookedAt is what the dispatcher knows of a worker's progress.
type lookedAt struct {
	seen  uint64 // what finished was
	quiet int    // how often in a row nothing had changed while calls may have waited

	probes   bool // it starts all that it gets
	unproven bool // it was given calls since it was last sent a PROBE
	probing  bool // and has not answered that
	stalled  bool // it gets no calls until it does
}

// note looks whether the worker has made progress since the last time.
func (r *room) note() (moved bool) {
	moved = r.finished != r.seen
	r.seen = r.finished
	if moved || !r.mayWait() {
		r.quiet = 0
	} else {
		r.quiet++
	}
	return moved
}

// mayWait tells whether some calls may not have been begun with.
func (r *room) mayWait() bool {
	return r.calls > r.capacity || r.probes && r.calls > 0 && (r.unproven || r.probing)
}

func (r *room) free() int { return max(0, r.capacity-r.calls) }

// beginsToWait is called when a worker has got the first call that it cannot run at once.
func (d *dispatcher) beginsToWait(r *room) {
	r.seen, r.quiet = r.finished, 0
	if d.lookArmed {
		r.quiet-- // the next look is too soon to say
	}
	d.arm(recallAfter)
}

// arm has the dispatcher look after workers in a while. Where there is only one, its
// calls can go nowhere else.
func (d *dispatcher) arm(after time.Duration) {
	if !d.lookArmed && len(d.workers) > 1 {
		d.lookArmed = true
		d.lookTimer.Reset(after)
	}
}

// look calls back what waits behind slow calls: as much as free workers can run; and in
// the end all of it, as soon as another worker makes progress. It goes to the front of
// the queue.
func (d *dispatcher) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.lookArmed = false
	free, able := 0, 0
	for _, w := range d.workers {
		moved := w.room.note()
		if w.room.probes && w.room.quiet > 0 {
			continue // nobody knows
		}
		free += w.room.free()
		if moved || w.room.free() > 0 {
			able++
		}
	}
	var stuck []*worker
	for _, w := range d.workers {
		r := &w.room
		switch {
		case r.quiet <= 0 || r.recalling:
		case r.probes:
			if d.isStuck(w) && able > 0 {
				stuck = append(stuck, w)
			}
		case free > 0:
			n := min(free, r.calls-r.capacity)
			free -= n
			d.recall(w, n)
		case r.quiet >= patientLooks && able > 0:
			d.recall(w, r.calls-r.capacity)
		}
		if r.mayWait() {
			d.arm(r.lookAfter())
		}
	}
	for _, w := range stuck {
		d.stall(w)
	}
}

func (r *room) lookAfter() time.Duration {
	if r.probes {
		return probeAfter
	}
	return recallAfter
}

// isStuck tells whether a worker of which nothing comes owes the answer to a PROBE, which
// it is sent otherwise.
func (d *dispatcher) isStuck(w *worker) bool {
	r := &w.room
	if r.probing {
		return r.quiet > 1
	}
	r.probing, r.unproven = true, false
	w.post((*link).probe)
	return false
}

// stall gives a worker no calls until it has answered its PROBE, and asks for those back
// that it has not begun with.
func (d *dispatcher) stall(w *worker) {
	d.dismiss(w)
	w.room.stalled = true
	d.recall(w, w.room.calls)
}

// recall asks a worker for n calls, and lets none wait there until it is quick again.
func (d *dispatcher) recall(w *worker, n int) {
	w.room.recalling, w.room.credit = true, 0
	w.recall(n)
}

// probed is called when w has answered a PROBE. later says that it was sent calls behind
// it. It returns the calls that have waited for w, if that got none.
func (d *dispatcher) probed(w *worker, later bool, next []*call) []*call {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &w.room
	r.probing, r.quiet = false, 0
	r.unproven = r.unproven || later
	if !r.stalled {
		return next
	}
	r.stalled = false
	if w.removed {
		return next
	}
	d.admit(w)
	return d.fill(w, next)
}
