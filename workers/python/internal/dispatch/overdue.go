package dispatch

import "time"

const (
	// recallAfter is how long calls wait in a link behind a slow one, while nothing
	// comes of it, before they are called back for a worker that is free; it may be
	// twice as long.
	recallAfter = 2 * time.Millisecond
	// patientLooks is after how many times recallAfter they are called back for
	// workers that are busy and make progress: so long that one which has only lost
	// its processor to the others has it again.
	patientLooks = 5
	// probeAfter is how long nothing comes of a worker that starts all it gets before
	// it is asked whether it still reads its link, and how long it has to answer.
	probeAfter = 10 * time.Millisecond
)

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
func (s *Slots) note() (moved bool) {
	moved = s.finished != s.seen
	s.seen = s.finished
	if moved || !s.mayWait() {
		s.quiet = 0
	} else {
		s.quiet++
	}
	return moved
}

// mayWait tells whether some calls may not have been begun with.
func (s *Slots) mayWait() bool {
	return s.calls > s.capacity || s.probes && s.calls > 0 && (s.unproven || s.probing)
}

func (s *Slots) free() int { return max(0, s.capacity-s.calls) }

// beginsToWait is called when a worker has got the first call that it cannot run at once.
func (d *Dispatcher) beginsToWait(s *Slots) {
	s.seen, s.quiet = s.finished, 0
	if d.lookArmed {
		s.quiet-- // the next look is too soon to say
	}
	d.arm(recallAfter)
}

// arm has the dispatcher look after workers in a while. Where there is only one, its
// calls can go nowhere else.
func (d *Dispatcher) arm(after time.Duration) {
	if !d.lookArmed && len(d.workers) > 1 {
		d.lookArmed = true
		d.lookTimer.Reset(after)
	}
}

// look calls back what waits behind slow calls: as much as free workers can run; and in
// the end all of it, as soon as another worker makes progress. It goes to the front of
// the queue.
func (d *Dispatcher) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.lookArmed = false
	free, able := 0, 0
	for _, w := range d.workers {
		moved := w.note()
		if w.probes && w.quiet > 0 {
			continue // nobody knows
		}
		free += w.free()
		if moved || w.free() > 0 {
			able++
		}
	}
	var stuck []*Slots
	for _, w := range d.workers {
		r := w
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

func (s *Slots) lookAfter() time.Duration {
	if s.probes {
		return probeAfter
	}
	return recallAfter
}

// isStuck tells whether a worker of which nothing comes owes the answer to a PROBE, which
// it is sent otherwise.
func (d *Dispatcher) isStuck(w *Slots) bool {
	r := w
	if r.probing {
		return r.quiet > 1
	}
	r.probing, r.unproven = true, false
	w.Worker.Probe()
	return false
}

// stall gives a worker no calls until it has answered its PROBE, and asks for those back
// that it has not begun with.
func (d *Dispatcher) stall(w *Slots) {
	d.dismiss(w)
	w.stalled = true
	d.recall(w, w.calls)
}

// recall asks a worker for n calls, and lets none wait there until it is quick again.
func (d *Dispatcher) recall(w *Slots, n int) {
	w.recalling, w.credit = true, 0
	w.Worker.Recall(n)
}

// Probed is called when w has answered a PROBE. later says that it was sent calls behind
// it. It returns the calls that have waited for w, if that got none.
func (d *Dispatcher) Probed(w *Slots, later bool, next []*Ticket) []*Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := w
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
