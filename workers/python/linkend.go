package python

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
)

// The end of a link: what becomes of the calls of its worker, and what the log says of them.

// loss says what a call may have had to do with the end of its worker.
type loss struct {
	blamed bool            // it has ended it, as far as anybody can know
	trial  *dispatch.Trial // it may have
}

// linkEnd is how far a link is on its way to the end, which comes from the worker, the
// supervisor or the system, in any order.
type linkEnd struct {
	relief   bool // RETIRE has come
	retiring bool // SHUTDOWN was sent
	eof      bool // the worker has closed its end
	exited   bool // the process has
	closed   bool // nothing can be sent, or be answered, any more
	parted   bool // every call has its outcome
}

// begins notes that something of a call's response has come.
func (l *link) begins(c *call) {
	c.atLink.begun = true
	if c.ticket.OnTrial() {
		deliverAll(l.worker.pool.dispatcher.Acquit(&c.ticket), l.loop)
	}
}

// processExited is called when the process has been reaped. Bytes that it wrote
// before may still be on their way; the link's end follows them, unless a child of
// the worker keeps it open.
func (l *link) processExited() {
	l.exited = true
	switch {
	case l.parted:
	case l.closed, l.eof:
		l.finish()
	default:
		l.conn.SetTimer(timerEnd, exitGrace)
	}
}

// exitGrace is how long the link of a process that has exited may take to end.
const exitGrace = 200 * time.Millisecond

// close has nothing sent any more.
func (l *link) close() {
	l.closed = true
	l.requests.Drop()
	l.worker.pool.dispatcher.Remove(&l.worker.slots)
}

// finish gives every call that is left its outcome. The worker gives no more
// answers.
func (l *link) finish() {
	if l.parted {
		return
	}
	open := !l.closed
	l.close()
	l.parted = true
	l.loseCalls()
	l.loseSockets()
	l.openInbox()
	if open {
		l.conn.Abort(loop.PeerClosed)
	}
	l.worker.linkFinished()
}

// loseCalls gives every call that is left its outcome. The worker gives no more answers.
func (l *link) loseCalls() {
	lost := l.calls.all(nil)
	how := l.judge(lost)
	for i, c := range lost {
		l.calls.remove(c, l.loop.Now())
		begun, how := c.atLink.begun, how[i]
		c.toHome(l.loop, func() { c.workerLost(begun, how) })
	}
}

// judge tells what the calls at a worker may have had to do with its end, notes what the
// log is to say of them, and puts first those that may have the most. A worker that was
// killed, by the front or from outside, has not died of its calls.
func (l *link) judge(lost []*call) []loss {
	var tried []*dispatch.Ticket
	for _, c := range lost {
		if c.ticket.OnTrial() {
			tried = append(tried, &c.ticket)
		}
	}
	how := make([]loss, len(lost))
	itself := l.diedByItself()
	if itself {
		switch {
		case len(tried) == 1:
			how[slices.Index(lost, callOf(tried[0]))].blamed = true
		case len(tried) > 1: // each has been sent again
		case len(lost) == 1 && len(l.calls.sockets) == 0:
			how[0].blamed = true
		default:
			l.suspect(lost, how)
		}
	}
	l.worker.lost = newLostCalls(l, lost, how)
	deliverAll(l.worker.pool.dispatcher.EndTrials(tried, itself && len(tried) == 1), l.loop)
	return how
}

// suspect puts calls on trial. What blocks its worker, as far as the front knows, or was
// sent last to one that begins with all, is the most likely to have ended it.
func (l *link) suspect(lost []*call, how []loss) {
	t := dispatch.NewTrial()
	for i := range how {
		how[i].trial = t
	}
	if l.calls.capacity >= dispatch.ManyCalls {
		slices.Reverse(lost)
	}
}

// diedByItself tells whether the process has ended without being told to.
func (l *link) diedByItself() bool {
	w := l.worker
	return l.exited && !w.is(stateKilled, stateExited) && w.proc.Exit.ByItself()
}

// lostCalls is what the log says of the calls of a worker that has ended.
type lostCalls struct {
	blamed  *lostCall
	others  lostList
	calls   int // all
	sockets int
}

// lostCall names a request. Its form is that of JSON records.
type lostCall struct {
	Method    string  `json:"method"`
	Path      string  `json:"path"`
	RequestID string  `json:"request_id,omitempty"`
	Age       float64 `json:"age"` // in seconds, since it came

	attr slog.Attr
	age  time.Duration
}

// mostNamed is how many requests one record names.
const mostNamed = 20

func newLostCalls(l *link, lost []*call, how []loss) lostCalls {
	all := lostCalls{calls: len(lost), sockets: len(l.calls.sockets)}
	now := l.loop.Now()
	for i, c := range lost {
		one := newLostCall(c.req, now)
		if how[i].blamed {
			all.blamed = &one
			continue
		}
		if len(all.others) < mostNamed {
			all.others = append(all.others, one)
		}
	}
	return all
}

func newLostCall(r *asteri.Request, now time.Time) lostCall {
	age := max(now.Sub(r.Received), 0).Round(time.Millisecond)
	return lostCall{Method: r.Method, Path: string(r.Path), RequestID: r.Handling.ID, Age: age.Seconds(), attr: r.LogAttr(), age: age}
}

// any tells whether the worker had calls, or open WebSockets, when it ended.
func (all *lostCalls) any() bool { return all.calls+all.sockets > 0 }

// losses returns what the log is to say of the calls that the worker had when it ended.
func (w *worker) losses() lostCalls {
	select {
	case <-w.parted:
		return w.lost
	default:
		return lostCalls{} // nobody knows
	}
}

// attrs adds to those of the record of the worker's end: the request that has ended it, as
// other records name theirs, and those beside it.
func (all *lostCalls) attrs(attrs ...any) []any {
	if b := all.blamed; b != nil {
		attrs = append(attrs, b.attr, slog.Duration("age", b.age))
	}
	if len(all.others) > 0 {
		attrs = append(attrs, slog.Any("requests", all.others))
	}
	if all.calls > mostNamed {
		attrs = append(attrs, slog.Int("in_flight", all.calls))
	}
	if all.sockets > 0 {
		attrs = append(attrs, slog.Int("websockets", all.sockets))
	}
	return attrs
}

// lostList is the value of an attribute that names requests, for people a line each.
type lostList []lostCall

// String has a line for each request.
func (list lostList) String() string {
	var b strings.Builder
	for _, one := range list {
		fmt.Fprintf(&b, "%s %s", one.Method, one.Path)
		if one.RequestID != "" {
			fmt.Fprintf(&b, " request_id=%s", one.RequestID)
		}
		fmt.Fprintf(&b, " age=%v\n", one.age)
	}
	return b.String()
}
