package loop

import (
	"runtime"
	"time"

	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// With one request in flight, a loop that sleeps between the request, the worker's
// answer and the client's next request pays for waking up each time more than for
// anything else. So a loop of an adaptive engine that finds an event or two at a time
// looks on for a moment before it sleeps, as long as that mostly finds something. What
// counts is how many it has found of late: all answers of a worker's batch are one event,
// and a loop with many connections that looked on for those would only find their
// requests in smaller batches.
const (
	// lookFor is about what a small application takes for its answer.
	lookFor = 100 * time.Microsecond
	// A find is worth one point, a wait in vain costs two: it takes finds two
	// times in three to go on. At most maxPatience points are saved up.
	maxPatience = 6
	// After a wait in vain that used up all points so many sleeps go by before
	// the next attempt.
	restBetween = 64
	// aFew is the size of a crowd up to which a loop looks on.
	aFew = 2
)

// crowd is how many events come at a time: the most of late. It goes down by one with each
// look that finds something.
type crowd int

func (c *crowd) saw(events int) { *c = max(crowd(events), *c-1) }

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
	if l.crowd > aFew || !l.engine.cfg.Adaptive || runtime.NumCPU() == 1 || jobs.Outstanding() || !l.patience.has() {
		return false
	}
	for start := l.now; !found && l.now.Sub(start) < lookFor; {
		before := l.now
		found = l.look(0)
		l.busy.lookedOn(l.now.Sub(before))
	}
	l.patience.learn(found)
	return found
}
