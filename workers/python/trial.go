package python

import (
	"slices"

	"github.com/asteri/asteri-loop"
)

// trial is what becomes of the requests that a worker had when it died by itself: one of
// them may have ended it, and would end the next worker, with the others, if they all went
// there. So they are given to workers again one after the other, until one of them ends its
// worker or all have done no harm. It belongs to the dispatcher.
type trial struct {
	running int  // at workers, or in the queue for one
	window  int  // how many may be: one, and more when that takes long
	held    int  // how many have to wait for that
	atWork  bool // those that may be were all at workers when the window was looked at last
}

// loss says what a call may have had to do with the end of its worker.
type loss struct {
	blamed bool   // it has ended it, as far as anybody can know
	trial  *trial // it may have
}

// try begins the trial of c, or has c wait for its turn.
func (d *dispatcher) try(c *call, t *trial) bool {
	c.trial = t
	if t.running < t.window || d.closed {
		t.running++
		return true
	}
	if t.held == 0 {
		d.trials = append(d.trials, t)
	}
	t.held++
	c.waits(heldBack)
	d.heldBack.PushBack(&c.turn, c.req)
	return false
}

// take takes a call out of the queue that it waits in.
func (d *dispatcher) take(c *call) {
	t := c.trial
	switch c.place {
	case queued:
		d.queue.Remove(&c.turn)
		if t != nil {
			t.running-- // there will be others that make use of it
		}
	case heldBack:
		d.heldBack.Remove(&c.turn)
		if t.held--; t.held == 0 {
			d.trials = slices.DeleteFunc(d.trials, func(o *trial) bool { return o == t })
		}
	}
	c.place, c.trial = nowhere, nil
}

// acquit ends the trial of c, which has done no harm, and returns the calls whose turn it
// is now.
func (d *dispatcher) acquit(c *call) []placement {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := c.trial
	c.trial = nil
	t.running--
	return d.proceed(t)
}

// endTrials ends the trials of calls whose worker has ended once more. If that has found
// the one that ends workers, the others are acquitted.
func (d *dispatcher) endTrials(calls []*call, found bool) (next []placement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range calls {
		t := c.trial
		c.trial = nil
		t.running--
		t.window = 1
		if found {
			t.window = t.running + t.held
		}
		next = append(next, d.proceed(t)...)
	}
	return next
}

// widen lets twice as many calls on each trial: those that run for long, and do no harm,
// are not to hold up the others. The time that a worker takes to start is not theirs.
func (d *dispatcher) widen() []placement {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next []placement
	for _, t := range slices.Clone(d.trials) {
		before := t.atWork
		t.atWork = !d.queues(t)
		if t.running > 0 && !(before && t.atWork) {
			continue
		}
		t.window *= 2
		next = append(next, d.proceed(t)...)
	}
	return next
}

// queues tells whether a call that is tried waits for a worker.
func (d *dispatcher) queues(t *trial) bool {
	for p := range d.queue.All() {
		if p.Value.trial == t {
			return true
		}
	}
	return false
}

// placement is a call that was given to a worker.
type placement struct {
	call   *call
	worker *worker
}

// proceed begins with as many of the calls that are held back for t as it may.
func (d *dispatcher) proceed(t *trial) (next []placement) {
	for p := range d.heldBack.All() {
		if t.running >= t.window || d.closed {
			break
		}
		if c := p.Value; c.trial == t {
			d.take(c)
			t.running++
			c.trial = t
			if w, _ := d.put(c, nil); w != nil {
				next = append(next, placement{c, w})
			}
		}
	}
	return next
}

// deliverAll gives calls to the workers that they were placed at. It is called on at.
func deliverAll(next []placement, at asteri.Executor) {
	for _, p := range next {
		p.worker.link.deliver(p.call, at)
	}
}
