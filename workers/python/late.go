package python

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/awake"
)

// Calls that take too long, and calls that wait behind a slow one.

// lateCalls is the state of a link whose worker has calls that timed out.
type lateCalls struct {
	asked        bool // for the worker's stacks, which have not come
	explained    bool // they have come
	patienceOver bool
}

// latePatience is how long a worker with late calls may take to tell where it is,
// and to give back what it has not started.
const latePatience = 500 * time.Millisecond

func (l *link) startSweep() {
	if l.sweeping || l.calls.open == 0 || l.worker.cfg.Timeout <= 0 {
		return
	}
	l.sweeping = true
	l.conn.SetTimer(timerSweep, min(max(l.worker.cfg.Timeout/16, 50*time.Millisecond), 200*time.Millisecond))
}

// sweep answers the calls that have run out of time, and has the worker replaced.
// Its other calls go on.
func (l *link) sweep() {
	l.forgive()
	now := l.loop.Now()
	var late []*call
	for _, c := range l.calls.slots {
		if c != nil && !c.abandoned && l.isLate(c, now) {
			late = append(late, c)
		}
	}
	if len(late) == 0 {
		return
	}
	// First, so that no client that has its 504 is sent to this worker again.
	l.worker.retire("a request took too long")
	// Before their calls are cancelled, and may go on somewhere else.
	l.worker.control.stack(0)
	l.late.asked = true
	for _, c := range late {
		l.abandon(c, now)
	}
	l.conn.SetTimer(timerLate, latePatience)
	l.judgeLate()
}

// forgive gives calls the time again in which this process was stopped: their answers may
// have come then.
func (l *link) forgive() {
	more := awake.Lost() - l.lost
	if more == 0 {
		return
	}
	l.lost += more
	for _, c := range l.calls.slots {
		if c != nil && !c.started.IsZero() {
			c.started, c.lastFrame = c.started.Add(more), c.lastFrame.Add(more)
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
	case c.started.IsZero() || c.tookOver:
		return false
	case !c.begun:
		return now.Sub(c.started) > limit
	}
	return l.worker.info.wholeBody && c.window >= grantStep && now.Sub(c.lastFrame) > limit
}

func (l *link) abandon(c *call, now time.Time) {
	c.abandoned = true
	l.calls.abandoned++
	l.worker.pool.counts.timedOut.Add(1)
	l.log.Error("request timed out", c.req.LogAttr(), slog.Duration("age", now.Sub(c.started).Round(time.Millisecond)))
	l.cancel(c, true, l.loop)
	begun := c.begun
	c.toHome(l.loop, func() { c.timedOut(begun) })
}

// judgeLate kills the worker when nothing but late calls is left in it.
func (l *link) judgeLate() {
	if l.calls.abandoned == 0 || l.closed {
		return
	}
	if !l.late.patienceOver && !(l.late.explained && l.calls.open == l.calls.abandoned) {
		return
	}
	for _, c := range l.calls.slots {
		if c != nil && !c.abandoned && !c.started.IsZero() {
			return
		}
	}
	l.worker.kill(exitTimeout, "only requests that took too long are left")
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
	l.late.explained = true
	l.judgeLate()
}

// recall asks the worker for up to n calls that it has not started, for each once: it
// gives it back or has begun with it. Those whose bodies are under way stay, and those
// whose clients have left, which the worker drops.
func (l *link) recall(n int) {
	var ids []uint32
	if !l.closed {
		for _, c := range l.calls.waiting {
			if len(ids) < n && !c.begun && !c.body.stream && !c.asked && !c.left {
				c.asked = true
				ids = append(ids, c.id)
			}
		}
	}
	if len(ids) == 0 {
		l.takeBack(nil)
		return
	}
	l.worker.control.recall(ids)
}

// onRecalled handles the answer to a RECALL. What a worker gives back it has not begun
// with, so nothing of it has come on the link.
func (l *link) onRecalled(ids []uint32) {
	if l.closed {
		return
	}
	var back []*call
	for _, id := range ids {
		c := l.calls.get(id)
		if c == nil || !c.asked || c.begun || c.informs > 0 {
			l.worker.linkEnded(violation(fmt.Sprintf("RECALLED for stream %d, which was not asked for or has begun", id)))
			break
		}
		l.remove(c)
		back = append(back, c)
	}
	l.takeBack(back)
}

// takeBack has calls that the worker has not started go elsewhere, whatever their method.
func (l *link) takeBack(back []*call) {
	l.next = l.worker.pool.dispatcher.restore(l.worker, len(back), l.next[:0])
	l.sendNext()
	// The last one first: each goes to the front of the queue.
	for i := len(back) - 1; i >= 0; i-- {
		back[i].toHome(l.loop, back[i].resubmit)
	}
	l.judgeLate()
}

// retire has the worker finish what it has: no more requests will be sent.
func (l *link) retire() {
	if l.closed || l.retiring {
		return
	}
	l.openInbox()
	l.flush()
	l.recall(l.calls.open)
	l.retireSockets()
	l.retireRawSockets()
	l.frame(frameShutdown, 0, 0, nil)
	l.retiring = true
}

var errStalled = errors.New("the application's response did not go on in time")
