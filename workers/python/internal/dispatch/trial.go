package dispatch

import "slices"

// Trial is what becomes of the requests that a worker had when it died by itself: one of
// them may have ended it, and would end the next worker, with the others, if they all went
// there. So they are given to workers again one after the other, until one of them ends its
// worker or all have done no harm. It belongs to the dispatcher.
type Trial struct {
	running int  // at workers, or in the queue for one
	window  int  // how many may be: one, and more when that takes long
	held    int  // how many have to wait for that
	atWork  bool // those that may be were all at workers when the window was looked at last
}

// NewTrial returns one of calls that are to be given to workers again.
func NewTrial() *Trial { return &Trial{window: 1} }

// try begins the trial of c, or has c wait for its turn.
func (d *Dispatcher) try(c *Ticket, t *Trial) bool {
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
	d.heldBack.PushBack(&c.turn, c.Request)
	return false
}

// take takes a call out of the queue that it waits in.
func (d *Dispatcher) take(c *Ticket) {
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
			d.trials = slices.DeleteFunc(d.trials, func(o *Trial) bool { return o == t })
		}
	}
	c.place, c.trial = nowhere, nil
}

// Acquit ends the trial of c, which has done no harm, and returns the calls whose turn it
// is now.
func (d *Dispatcher) Acquit(c *Ticket) []Placement {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := c.trial
	c.trial = nil
	t.running--
	return d.proceed(t)
}

// EndTrials ends the trials of calls whose worker has ended once more. If that has found
// the one that ends workers, the others are acquitted.
func (d *Dispatcher) EndTrials(calls []*Ticket, found bool) (next []Placement) {
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

// Widen lets twice as many calls on each trial: those that run for long, and do no harm,
// are not to hold up the others. The time that a worker takes to start is not theirs.
func (d *Dispatcher) Widen() []Placement {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next []Placement
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
func (d *Dispatcher) queues(t *Trial) bool {
	for p := range d.queue.All() {
		if p.Value.trial == t {
			return true
		}
	}
	return false
}

// Placement is a call that was given to a worker.
type Placement struct {
	Ticket *Ticket
	Slots  *Slots
}

// proceed begins with as many of the calls that are held back for t as it may.
func (d *Dispatcher) proceed(t *Trial) (next []Placement) {
	for p := range d.heldBack.All() {
		if t.running >= t.window || d.closed {
			break
		}
		if c := p.Value; c.trial == t {
			d.take(c)
			t.running++
			c.trial = t
			if w, _ := d.put(c, nil); w != nil {
				next = append(next, Placement{c, w})
			}
		}
	}
	return next
}
