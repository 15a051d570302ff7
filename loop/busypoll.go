package loop

import (
	"runtime"
	"time"

	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// With one request in flight, a loop that sleeps between the request, the worker's
// answer and the client's next request pays for waking up each time more than for
// anything else. So a loop of an adaptive engine that finds an event or two at a time
// polls on for a moment before it sleeps, as long as that mostly finds something. What
// counts is how many it has found of late: all answers of a worker's batch are one event,
// and a loop with many connections that polled on for those would only find their
// requests in smaller batches.
const (
	// pollFor is about what a small application takes for its answer.
	pollFor = 100 * time.Microsecond
	// A find is worth one point, a wait in vain costs two: it takes finds two
	// times in three to go on. At most maxPollPoints points are saved up.
	maxPollPoints = 6
	// After a wait in vain that used up all points so many sleeps go by before
	// the next attempt.
	pollRest = 64
	// aFew is the size of a crowd up to which a loop polls on.
	aFew = 2
)

// crowd is how many events come at a time: the most of late. It goes down by one with each
// look that finds something.
type crowd int

func (c *crowd) saw(events int) { *c = max(crowd(events), *c-1) }

// busyPoll decides whether to poll on. The zero value makes an attempt first.
type busyPoll struct {
	points int
	rest   int // sleeps until the next attempt
}

// has tells whether to poll on before this sleep.
func (p *busyPoll) has() bool {
	if p.rest > 0 {
		p.rest--
		return false
	}
	return true
}

// learn takes the outcome of an attempt.
func (p *busyPoll) learn(found bool) {
	if found {
		p.points = min(p.points+1, maxPollPoints)
		return
	}
	if p.points -= 2; p.points <= 0 {
		p.points, p.rest = 0, pollRest
	}
}

// pollOn polls on for a moment, and tells whether that found something. Where there
// is one processor, whoever is waited for needs it.
func (l *Loop) pollOn() (found bool) {
	if l.crowd > aFew || !l.engine.cfg.Adaptive || runtime.NumCPU() == 1 || jobs.Outstanding() || !l.busyPoll.has() {
		return false
	}
	for start := l.now; !found && l.now.Sub(start) < pollFor; {
		before := l.now
		found = l.look(0)
		l.busy.polled(l.now.Sub(before))
	}
	l.busyPoll.learn(found)
	return found
}
