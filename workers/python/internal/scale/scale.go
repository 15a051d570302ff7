// Package scale decides how many workers there are to be, by what they have to do. It asks for one
// more soon, and for one fewer late, and its bounds lie so far apart that neither makes the
// other true: so a steady load has a steady number.
package scale

import "time"

const (
	// tooBusy is the share of the workers from which on one more is wanted, and idle that of
	// one fewer which is enough for the load.
	tooBusy, idle = 0.8, 0.5
	// tooLong is a wait for a worker for which one more is wanted, however busy they are.
	tooLong = 100 * time.Millisecond

	// soon and late are for how long it must have been so.
	soon = time.Second
	late = 30 * time.Second

	// Period is how often Decide is to be called at the least.
	Period = 250 * time.Millisecond
	// memory is how far back the mean of the load goes.
	memory = 4 * time.Second
)

// Load is what workers have to do at a moment.
type Load struct {
	// Busy is how many workers are at work, in parts of one: by the share of their slots that
	// calls have. CPU is how many processors they use.
	Busy, CPU float64
	// Wait is how long the first call in the queue has waited.
	Wait time.Duration
}

// Scaler sees the load of a pool.
type Scaler struct {
	busy, cpu float64 // means
	last      time.Duration
	hotSince  time.Duration // 0: it is not
	coldSince time.Duration
}

// Mean returns how many workers are at work, of late.
func (s *Scaler) Mean() float64 { return max(s.busy, s.cpu) }

// Decide takes the load at a time, and returns by how many there are to be more: 1, 0 or -1. n is how
// many there are. It is not called while one of them starts.
func (s *Scaler) Decide(now time.Duration, n int, l Load) int {
	s.note(now, l)
	mean := s.Mean()
	hot := mean >= tooBusy*float64(n) || l.Wait >= tooLong
	cold := mean <= idle*float64(n-1) && l.Wait == 0
	switch {
	case lasts(&s.hotSince, hot, now, soon):
		s.Settle()
		return 1
	case lasts(&s.coldSince, cold, now, late):
		s.Settle()
		return -1
	}
	return 0
}

// Settle has what was so begin anew: the number has changed.
func (s *Scaler) Settle() { s.hotSince, s.coldSince = 0, 0 }

// note takes the load into the means, by the time that has passed.
func (s *Scaler) note(now time.Duration, l Load) {
	weight := min(float64(now-s.last)/float64(memory), 1)
	s.busy += (l.Busy - s.busy) * weight
	s.cpu += (l.CPU - s.cpu) * weight
	s.last = now
}

// lasts notes since when something is so, and tells whether it has been for long enough.
func lasts(since *time.Duration, is bool, now, enough time.Duration) bool {
	switch {
	case !is:
		*since = 0
	case *since == 0:
		*since = now
	}
	return *since != 0 && now-*since >= enough
}
