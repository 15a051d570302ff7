package stream

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/pace"
	"github.com/asteri/asteri-loop/internal/poison"
)

// intake is what the client sends after the head: content for a handler, or the
// bytes of a tunnel. Bytes that nobody has asked for yet, or that its window does
// not admit, are kept; they are no more than the stream's window of flow control.
type intake struct {
	sink     asteri.BodySink
	received int64          // bytes so far
	window   int            // bytes delivered and not yet consumed
	kept     Queue          // bytes to be delivered
	trailer  *asteri.Header // to be delivered at the end
	ended    bool           // the client has sent all
	told     bool           // the sink has had its last call
	closed   bool           // nobody wants what comes
	inCall   bool           // the sink is being called
	waking   bool           // deliverKept was posted

	since  int64 // when the present wait for bytes began, Unix nanoseconds; 0: none
	waited time.Duration
}

// close drops what is kept and what will come. Bytes that the sink is just being
// shown are dropped when its call returns.
func (in *intake) close(at *Local) {
	in.closed = true
	in.since = 0
	if !in.inCall {
		in.kept.Drop(at)
	}
}

// ReadBody begins the delivery of the request body.
func (x *Exchange) ReadBody(sink asteri.BodySink) {
	guard.Owned(x.at.Home)
	x.kept = true
	in := &x.in
	switch {
	case x.over:
		x.call(guard.Call{Kind: guard.Error, Sink: sink, Err: x.endCause()})
		return
	case in.sink != nil:
		x.call(guard.Call{Kind: guard.Error, Sink: sink, Err: httpfield.Misuse("the body is being read already")})
		return
	}
	in.sink = sink
	x.watch()
	if in.closed {
		x.failBody(asteri.ErrHalfClosed)
		return
	}
	if x.expects && !x.started && !in.ended {
		x.at.begin(100)
		x.headBytes += int64(x.wire.SendHead(x.at.fields, false))
	}
	x.expects = false
	x.read()
}

// read lets delivery begin: the end of an empty body at once, bytes that came
// before they were asked for in an event of their own.
func (x *Exchange) read() {
	in := &x.in
	switch {
	case in.kept.Len() > 0:
		x.wake()
	case in.ended:
		x.endBody()
	default:
		x.clock()
	}
}

func (x *Exchange) endCause() error {
	if x.cause != nil {
		return x.cause
	}
	return asteri.ErrClosed
}

// Consumed gives back a part of the body window.
func (x *Exchange) Consumed(n int) {
	guard.Owned(x.at.Home)
	in := &x.in
	in.window -= n
	if in.closed {
		return
	}
	if !in.ended {
		x.wire.Credit(n)
	}
	if in.kept.Len() > 0 {
		x.wake()
	} else {
		x.clock()
	}
}

// wake has kept bytes delivered, never from within a call of the handler.
func (x *Exchange) wake() {
	if !x.in.waking && !x.in.inCall {
		x.in.waking = true
		x.at.Home.Post(x.deliverKept)
	}
}

// deliverKept delivers what the window admits.
func (x *Exchange) deliverKept() {
	in := &x.in
	in.waking = false
	for in.sink != nil && !in.closed && in.kept.Len() > 0 && in.window < asteri.BodyWindow {
		p := in.kept.Peek(asteri.BodyWindow - in.window)
		x.deliver(p)
		if !in.closed { // else they are dropped already
			in.kept.Advance(x.at, len(p))
		}
	}
	x.delivered()
}

// delivered tells the sink of the end, if it has had all before that.
func (x *Exchange) delivered() {
	in := &x.in
	switch {
	case in.closed || in.sink == nil || in.kept.Len() > 0:
	case in.ended:
		x.endBody()
	default:
		x.clock()
	}
}

func (x *Exchange) deliver(p []byte) {
	in := &x.in
	in.window += len(p)
	in.inCall = true
	defer x.afterCall(p) // also of a sink that ends the goroutine
	x.call(guard.Call{Kind: guard.Body, Sink: in.sink, P: p})
}

func (x *Exchange) afterCall(p []byte) {
	poison.Fill(p)
	x.in.inCall = false
	if x.in.closed {
		x.in.kept.Drop(x.at)
	}
}

// Receive takes content from the client. An error, a httpfield.Malformed, says
// that it is more than was announced: the stream is to be reset.
func (x *Exchange) Receive(p []byte) error {
	in := &x.in
	in.received += int64(len(p))
	if announced := x.req.ContentLength; announced >= 0 && in.received > announced {
		return httpfield.Malformed("more content than content-length")
	}
	switch {
	case in.closed:
		return nil
	case x.tunnelled == nil && in.received > x.at.Settings.Limits.Body:
		x.bodyFailed(&asteri.StatusError{Code: 413, Reason: "content is too long"})
		return nil
	}
	if x.tooSlow() {
		x.bodyFailed(timedOut("content arrives too slowly"))
		return nil
	}
	for in.sink != nil && !in.closed && in.kept.Len() == 0 && in.window < asteri.BodyWindow && len(p) > 0 {
		n := min(len(p), asteri.BodyWindow-in.window)
		x.deliver(p[:n])
		p = p[n:]
	}
	if len(p) > 0 && !in.closed {
		in.kept.Write(x.at, p)
	}
	x.clock()
	return nil
}

// ReceiveEnd says that the client has sent all; trailer may be nil. An error, a
// httpfield.Malformed, says that it is less than was announced.
func (x *Exchange) ReceiveEnd(trailer *asteri.Header) error {
	in := &x.in
	in.ended = true
	if x.tunnelled != nil {
		x.turn.Begin(x.at.Awake())
		x.watch()
	}
	if announced := x.req.ContentLength; announced >= 0 && in.received < announced && !in.closed {
		return httpfield.Malformed("less content than content-length")
	}
	in.trailer = trailer
	x.clock()
	x.delivered()
	return nil
}

// endBody and failBody make the last call of the sink.
func (x *Exchange) endBody() {
	if in := &x.in; in.sink != nil && !in.told {
		in.told = true
		x.call(guard.Call{Kind: guard.End, Sink: in.sink, Trailer: in.trailer})
	}
}

func (x *Exchange) failBody(err error) {
	in := &x.in
	in.close(x.at)
	if in.sink != nil && !in.told {
		in.told = true
		x.call(guard.Call{Kind: guard.Error, Sink: in.sink, Err: err})
	}
}

// bodyFailed ends a body that is too long or too slow. An answer that has begun
// may go on; what its handler makes of the error is its own matter. Otherwise the
// client is told.
func (x *Exchange) bodyFailed(cause *asteri.StatusError) {
	if x.started {
		x.failBody(cause)
		return
	}
	x.fail(cause)
}

func timedOut(reason string) *asteri.StatusError {
	return &asteri.StatusError{Code: 408, Reason: reason}
}

// clock counts the time for which bytes were awaited, and begins to wait anew if
// they still are.
func (x *Exchange) clock() {
	in := &x.in
	if in.since != 0 {
		in.waited += time.Duration(x.at.nanos() - in.since)
		in.since = 0
	}
	if in.sink == nil || in.ended || in.closed || x.tunnelled != nil || x.full() || in.kept.Len() > 0 {
		return
	}
	in.since = x.at.nanos()
	x.wire.Await()
}

// full tells whether the client has sent all that it may until the handler consumes.
func (x *Exchange) full() bool {
	in := &x.in
	return in.window >= asteri.BodyWindow || in.window > 0 && x.wire.Room() <= 0
}

// tooSlow tells whether content has come at less than the least rate, over all
// the time that it was awaited.
func (x *Exchange) tooSlow() bool {
	t := &x.at.Settings.Timeouts
	if x.tunnelled != nil {
		return false
	}
	waited := x.in.waited
	if x.in.since != 0 {
		waited += time.Duration(x.at.nanos() - x.in.since)
	}
	return pace.Limit{Rate: t.BodyRate, Grace: t.RateGrace}.Late(x.in.received, waited)
}

// CheckBody ends a body of which nothing has come for the Body timeout. It returns
// how long from now to look again, 0 if nothing is awaited.
func (x *Exchange) CheckBody() time.Duration {
	limit := x.at.Settings.Timeouts.Body
	if x.in.since == 0 || limit <= 0 {
		return 0
	}
	left := limit - time.Duration(x.at.nanos()-x.in.since)
	if left <= 0 {
		x.bodyFailed(timedOut("content did not arrive in time"))
		return 0
	}
	return left
}
