package python

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Calls that take too long, and calls that wait behind a slow one.

// lateCalls is the state of a link whose worker has calls that timed out.
type lateCalls struct {
	sweeping bool          // the timer runs that looks for them
	lost     time.Duration // for how long this process had been stopped at the last look

	recalling bool // the worker was asked which of them it has begun with
	asked     bool // for the worker's stacks, which have not come
	suspended bool // the worker gets no calls, and may have more if it heeds in time
	graceOver bool // it did not: it is replaced
}

const (
	// lateGrace is how long a worker with late calls may take to tell where it is, and
	// to heed the exceptions that are raised in those calls. A second is what clearing up
	// after one may take.
	lateGrace = time.Second
	// lateRecall is how long clients of late calls wait for their answer meanwhile.
	lateRecall = 100 * time.Millisecond
)

func (l *link) startSweep() {
	if l.late.sweeping || l.calls.open == 0 || l.worker.cfg.Timeout <= 0 {
		return
	}
	l.late.sweeping = true
	l.conn.SetTimer(timerSweep, min(max(l.worker.cfg.Timeout/16, 50*time.Millisecond), 200*time.Millisecond))
}

// sweep has the late calls of a worker ended. Those that it has not begun with go to another
// one; the others are answered, and an exception is raised in them. A worker in which that
// does not end them is replaced. The rest goes on in either case.
func (l *link) sweep() {
	l.forgive()
	if l.late.recalling || len(l.overdue()) == 0 {
		return
	}
	// First, so that no client that has its 504 is sent to this worker again.
	l.worker.pool.dispatcher.Suspend(&l.worker.slots)
	// Before their calls are cancelled, and may go on somewhere else.
	l.worker.control.Stack(0)
	l.late.asked = true
	l.openInbox()
	if !l.late.suspended && l.ask(l.calls.all(nil), wire.MaxRecalled) {
		l.late.recalling = true
		l.conn.SetTimer(timerLate, lateRecall)
		return
	}
	l.abandonLate()
}

// overdue returns the calls that are late.
func (l *link) overdue() (late []*call) {
	now := l.loop.Now()
	for _, c := range l.calls.slots {
		if c != nil && !c.atLink.abandoned && l.isLate(c, now) {
			late = append(late, c)
		}
	}
	return late
}

// abandonLate answers the late calls: the worker has begun with them, or does not say.
func (l *link) abandonLate() {
	l.late.recalling = false
	var ids []uint32
	for _, c := range l.overdue() {
		ids = append(ids, c.atLink.id)
		l.abandon(c, l.loop.Now())
	}
	if len(ids) == 0 {
		if !l.late.suspended { // none was begun with
			l.resume()
		}
		return
	}
	l.worker.control.Interrupt(ids, fmt.Sprintf("the request took longer than --timeout, which is %v", l.worker.cfg.Timeout))
	if !l.late.suspended {
		l.late.suspended = true
		l.conn.SetTimer(timerLate, lateGrace)
	}
}

// forgive gives calls the time again in which this process was stopped: their answers may
// have come then.
func (l *link) forgive() {
	more := awake.Lost() - l.late.lost
	if more == 0 {
		return
	}
	l.late.lost += more
	for _, c := range l.calls.slots {
		if c != nil && !c.atLink.started.IsZero() {
			c.atLink.started, c.atLink.lastFrame = c.atLink.started.Add(more), c.atLink.lastFrame.Add(more)
		}
	}
}

// isLate tells whether a call has run for longer than the timeout without a
// beginning of a response. For a blocking model, where it holds a thread, the
// response must also go on, unless the front holds it back. An asynchronous one
// may be silent for as long as it likes once it has begun: server-sent events are.
func (l *link) isLate(c *call, now time.Time) bool {
	limit := l.worker.cfg.Timeout
	switch {
	case c.atLink.started.IsZero() || c.atLink.tookOver:
		return false
	case !c.atLink.begun:
		return now.Sub(c.atLink.started) > limit
	}
	return l.worker.info.wholeBody && c.atLink.window >= grantStep && now.Sub(c.atLink.lastFrame) > limit
}

func (l *link) abandon(c *call, now time.Time) {
	c.atLink.abandoned = true
	l.calls.abandoned++
	l.worker.pool.counts.timedOut.Add(1)
	l.log.Error("request timed out", c.req.LogAttr(), slog.Duration("age", now.Sub(c.atLink.started).Round(time.Millisecond)))
	l.cancel(c, true, l.loop)
	begun := c.atLink.begun
	c.toHome(l.loop, func() { c.timedOut(begun) })
}

// unheeded is called when late calls have had their time.
func (l *link) unheeded() {
	if !l.late.suspended || l.closed {
		return
	}
	l.late.suspended, l.late.graceOver = false, true
	l.worker.retire("a request took too long, and did not end when it was interrupted")
	l.judgeLate()
}

// heeded is called when late calls have ended in time.
func (l *link) heeded() {
	l.log.Warn("a request that took too long was interrupted, and its worker goes on")
	l.resume()
}

// resume gives the worker calls again.
func (l *link) resume() {
	l.late.suspended = false
	l.conn.SetTimer(timerLate, 0)
	for _, t := range l.worker.pool.dispatcher.Add(&l.worker.slots) {
		l.deliver(callOf(t), nil)
	}
}

// judgeLate kills the worker when nothing but late calls is left in it.
func (l *link) judgeLate() {
	if l.closed {
		return
	}
	if l.calls.abandoned == 0 {
		if l.late.suspended {
			l.heeded()
		}
		return
	}
	if !l.late.graceOver {
		return
	}
	for _, c := range l.calls.slots {
		if c != nil && !c.atLink.abandoned && !c.atLink.started.IsZero() {
			return
		}
	}
	l.worker.kill(process.Timeout, "only requests that took too long are left")
}

// onStacks logs where the worker's threads are.
func (l *link) onStacks(threads map[string]string) {
	if !l.late.asked {
		return
	}
	l.late.asked = false
	for name, stack := range threads {
		l.log.Error("stack of a worker with a request that took too long", "thread", name, "stack", strings.TrimRight(stack, "\n"))
	}
}

var errStalled = errors.New("the application's response did not go on in time")
