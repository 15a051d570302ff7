package exchange

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/pace"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// body is the intake of a request's content, and how long it takes the client.
type body struct {
	intake
	early Queue // what the intake keeps
	wait  Wait
	trail *asteri.Header // to be delivered at the end
}

func (b *body) reset() {
	b.received, b.trail = 0, nil
	b.ended, b.told, b.closed, b.inSink, b.waking = false, false, false, false, false
	b.wait = Wait{}
}

// Wait is the time in which bytes were waited for, by the clock of deadlines. The zero
// value has not begun.
type Wait struct {
	since int64 // when the present wait began, in nanoseconds; 0: nothing is awaited
	total time.Duration
}

// Begin begins to wait.
func (w *Wait) Begin(at *Local) { w.since = int64(at.Awake()) }

// End counts the present wait, if there is one.
func (w *Wait) End(at *Local) {
	if w.since != 0 {
		w.total += time.Duration(int64(at.Awake()) - w.since)
		w.since = 0
	}
}

// Slow tells whether n bytes are fewer than the least rate for all that time.
func (w *Wait) Slow(at *Local, n int64) bool {
	t := &at.Settings.Timeouts
	total := w.total
	if w.since != 0 {
		total += time.Duration(int64(at.Awake()) - w.since)
	}
	return pace.Limit{Rate: t.BodyRate, Grace: t.RateGrace}.Late(n, total)
}

// ErrSlow refuses content that comes too slowly.
var ErrSlow = &asteri.StatusError{Code: 408, Reason: "content arrives too slowly"}

// ReadBody begins the delivery of the request body.
func (x *Exchange) ReadBody(sink asteri.BodySink) {
	x.at.owned()
	x.kept = true
	b := &x.body
	switch {
	case x.Over():
		x.invoke(callback.Invocation{Kind: callback.Error, Sink: sink, Err: x.endCause()})
		return
	case b.sink != nil:
		x.invoke(callback.Invocation{Kind: callback.Error, Sink: sink, Err: httpfield.Misuse("the body is being read already")})
		return
	}
	b.sink = sink
	x.watch()
	if b.closed {
		x.failBody(asteri.ErrHalfClosed)
		return
	}
	if x.continues && x.state == asked && !b.ended {
		head, _ := x.section(100, nil) // which has nothing to refuse
		x.wire.Commit(head, nil, false)
	}
	x.continues = false
	b.read(x)
}

// Consumed gives back a part of the body window.
func (x *Exchange) Consumed(n int) {
	x.at.owned()
	x.body.consumed(x, n)
}

// Takes returns how many bytes of content would be delivered now.
func (x *Exchange) Takes() int { return x.body.takes() }

// Asked tells whether the handler has asked for the content.
func (x *Exchange) Asked() bool { return x.body.sink != nil }

// BodyClosed tells whether nobody wants the rest of the content.
func (x *Exchange) BodyClosed() bool { return x.body.closed }

// BodyEnded tells whether all of the content has come.
func (x *Exchange) BodyEnded() bool { return x.body.ended }

// Received returns how many bytes of content have come.
func (x *Exchange) Received() int64 { return x.body.received }

// Receive implements Party.
func (x *Exchange) Receive(p []byte) error {
	b := &x.body
	b.received += int64(len(p))
	if announced := x.req.ContentLength; announced >= 0 && b.received > announced {
		return httpfield.Malformed("more content than content-length")
	}
	switch {
	case b.closed:
		return nil
	case b.received > x.at.Settings.Limits.Body:
		x.BodyFailed(&asteri.StatusError{Code: 413, Reason: "content is too long"})
		return nil
	case b.wait.Slow(x.at, b.received):
		x.BodyFailed(ErrSlow)
		return nil
	}
	b.take(x, p)
	return nil
}

// ReceiveEnd implements Party.
func (x *Exchange) ReceiveEnd(trailer *asteri.Header) error {
	b := &x.body
	b.ended = true
	if announced := x.req.ContentLength; announced >= 0 && b.received < announced && !b.closed {
		return httpfield.Malformed("less content than content-length")
	}
	b.trail = trailer
	x.awaits()
	b.delivered(x)
	return nil
}

// failBody makes the last call of a sink whose body will not be complete.
func (x *Exchange) failBody(err error) {
	b := &x.body
	b.wait.since = 0
	b.closed = true
	if b.sink != nil || b.kept != nil {
		b.fail(x, err)
	}
}

// BodyFailed ends a body that is malformed, too long, too slow or cut short. An answer
// that has begun may go on; what its handler makes of the error is its own matter.
// Otherwise the client is told.
func (x *Exchange) BodyFailed(cause *asteri.StatusError) {
	switch x.state {
	case asked:
		x.Fail(cause)
	case begun:
		x.failBody(cause)
	}
}

// awaits counts the time for which bytes were awaited, and begins to wait anew if
// they still are.
func (x *Exchange) awaits() {
	b := &x.body
	b.wait.End(x.at)
	if b.sink == nil || b.ended || b.closed || x.full() || b.kept.Len() > 0 {
		return
	}
	b.wait.Begin(x.at)
	x.wire.Await()
}

// Awaits tells whether bytes are awaited.
func (x *Exchange) Awaits() bool { return x.body.wait.since != 0 }

// full tells whether the client has sent all that it may until the handler consumes.
func (x *Exchange) full() bool {
	b := &x.body
	return b.window >= asteri.BodyWindow || b.window > 0 && x.wire.Room() <= 0
}

// CheckBody implements Party.
func (x *Exchange) CheckBody() time.Duration {
	limit := x.at.Settings.Timeouts.Body
	since := x.body.wait.since
	if since == 0 || limit <= 0 {
		return 0
	}
	left := limit - time.Duration(int64(x.at.Awake())-since)
	if left <= 0 {
		x.BodyFailed(&asteri.StatusError{Code: 408, Reason: "content did not arrive in time"})
		return 0
	}
	return left
}

func (x *Exchange) local() *Local           { return x.at }
func (x *Exchange) channel() Channel        { return x.wire }
func (x *Exchange) store() *Queue           { return &x.body.early }
func (x *Exchange) trailer() *asteri.Header { return x.body.trail }
