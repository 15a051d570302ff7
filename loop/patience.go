package loop

import (
	"runtime"
	"time"

	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// With one request in flight, a loop that sleeps between the request, the worker's
// answer and the client's next request pays for waking up each time more than for
// anything else. So a loop of an adaptive engine whose last look found a single event
// looks on for a moment before it sleeps, as long as that mostly finds something.
const (
	// lookFor is about what a small application takes for its answer.
	lookFor = 100 * time.Microsecond
	// A find is worth one point, a wait in vain costs two: it takes finds two
	// times in three to go on. At most maxPatience points are saved up.
	maxPatience = 6
	// After a wait in vain that used up all points so many sleeps go by before
	// the next attempt.
	restBetween = 64
)

// patience decides whether to look on. The zero value makes an attempt first.
type patience struct {
	points int
	rest   int // sleeps until the next attempt
}

// has tells whether to look on before this sleep.
func (p *patience) has() bool {
	if p.rest > 0 {
		p.rest--
		return false
	}
	return true
}

// learn takes the outcome of an attempt.
func (p *patience) learn(found bool) {
	if found {
		p.points = min(p.points+1, maxPatience)
		return
	}
	if p.points -= 2; p.points <= 0 {
		p.points, p.rest = 0, restBetween
	}
}

// lookOn looks on for a moment, and tells whether that found something. Where there
// is one processor, whoever is waited for needs it.
func (l *Loop) lookOn() (found bool) {
	if l.found != 1 || !l.engine.cfg.Adaptive || runtime.NumCPU() == 1 || jobs.Outstanding() || !l.patience.has() {
		return false
	}
	for start := l.now; l.now.Sub(start) < lookFor; {
		if l.look(0) {
			l.patience.learn(true)
			return true
		}
	}
	l.patience.learn(false)
	return false
}
