package stream

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/poison"
)

// Exchange is one request and its response. The home's goroutine owns all of it
// but closed and posted.
type Exchange struct {
	at     *Local
	wire   Wire
	posted atomic.Bool // Post was used
	closed atomic.Bool // over, for Post; set only if somebody may have kept x

	req   asteri.Request
	arena []byte // what req's slices point into, beside its header's memory
	in    intake

	occupied int // bytes counted by Occupy

	// The response.
	started   bool
	begun     time.Time // when it started, if it was not given whole
	hasBody   bool      // the response has content, which is sent
	fixed     bool      // and it is left bytes
	status    int
	left      int64
	content   int64         // content taken from the handler
	headBytes int64         // header sections sent
	header    asteri.Header // as started, kept for the observer only

	over      bool // the exchange has ended
	serving   bool // the handler is being given it
	kept      bool // somebody may hold on to it
	stopping  bool // the server drains
	letGo     bool // the handler has ended it, though it was over before
	expects   bool // the client waits for 100 (Continue)
	high      bool // the queue was above the high-water mark
	told      bool // onCancel knows
	onCancel  func(error)
	onDrain   func()
	cause     error // why nobody waits for the answer any more
	tunnelled *tunnel
	turn      guard.Turn
}

var (
	_ asteri.Exchange = (*Exchange)(nil)
	_ asteri.Releaser = (*Exchange)(nil)
)

// Init makes x the exchange of a new request on wire, which comes over the
// connection peer.
func (x *Exchange) Init(at *Local, wire Wire, proto asteri.Proto, peer *asteri.Peer) {
	x.at = at
	x.wire = wire
	x.req.Proto = proto
	x.req.Handling = asteri.Handling{}
	x.req.Peer = peer
	x.req.Scheme = "http"
	if peer.TLS != nil {
		x.req.Scheme = "https"
	}
	x.req.Header.Reset()
	x.arena = poison.Reuse(x.arena)
	x.in = intake{}
	x.in.kept.CountBy(wire)
	x.started, x.over, x.high, x.stopping, x.letGo = false, false, false, false, false
	x.begun = time.Time{}
	x.status = 0
	x.content, x.headBytes = 0, 0
	x.cause = nil
	x.turn = guard.Turn{}
	if at.Settings.Observer != nil {
		x.header.Reset()
	}
}

// Head prepares h to take the request's field lines.
func (x *Exchange) Head(h *httpfield.RequestHead) {
	h.Begin(&x.req, x.arena, &x.at.Settings.Limits)
}

// headDone takes over what h has made. ended tells that no content follows.
func (x *Exchange) headDone(h *httpfield.RequestHead, ended bool) {
	x.in.ended = ended
	x.arena = h.Arena()
	x.expects = h.Facts.Expects100
	x.req.Received = x.at.Home.Now()
}

// Serve hands the request that h has read to the handler. ended tells that neither
// content nor trailers follow.
func (x *Exchange) Serve(h *httpfield.RequestHead, ended bool) {
	x.headDone(h, ended)
	x.serving = true
	x.callHandler()
	x.serving = false
	if !x.over {
		x.kept = true
	}
}

// Refuse answers a request that was understood and may not be served.
func (x *Exchange) Refuse(h *httpfield.RequestHead, ended bool, refusal *asteri.StatusError) {
	x.headDone(h, ended)
	x.fail(refusal)
}

// Reusable tells whether nobody can have kept x: see asteri.Exchange.
func (x *Exchange) Reusable() bool { return x.spent() && !x.kept }

// spent tells whether x is over, has nothing on its way to it, and is of a size to be
// used again.
func (x *Exchange) spent() bool { return x.over && !x.posted.Load() && cap(x.arena) <= maxSpare }

// Release takes back an exchange that was kept and answered. One that a function may
// still be on its way to, or that its protocol has a use for, is left to the collector.
func (x *Exchange) Release() bool {
	in := &x.in
	if !x.spent() || !x.kept || x.serving || x.cause != nil || x.tunnelled != nil ||
		in.sink != nil && !in.told || in.waking || in.inCall {
		return false
	}
	if !x.wire.Recycle() {
		return false
	}
	x.kept = false
	x.onCancel = nil
	x.in = intake{}
	x.closed.Store(false)
	return true
}

// Retire tells whether x, which nobody keeps, may serve another request. In a debug
// build it may not, and slices that a handler has kept nevertheless are destroyed.
func (x *Exchange) Retire() (reuse bool) {
	if guard.Debug {
		x.arena = poison.Reuse(x.arena)
	}
	return !guard.Debug
}

// maxSpare bounds the memory that an exchange may keep for the next request.
const maxSpare = 16 << 10

// Occupy counts the memory that a stream takes with its request, from when it waits
// for its handler or its client until Vacate.
func (x *Exchange) Occupy() {
	x.occupied = footprint + cap(x.arena)
	x.Reserve(x.occupied)
}

// Vacate takes back what Occupy counted, if it did.
func (x *Exchange) Vacate() {
	x.Reserve(-x.occupied)
	x.occupied = 0
}

// footprint is about how many bytes that is beside the head of the request.
const footprint = 3 << 10

// Over tells whether the exchange has ended: all of the response is queued, or none
// will be.
func (x *Exchange) Over() bool { return x.over }

// Received returns how many bytes of content have come.
func (x *Exchange) Received() int64 { return x.in.received }

// LetGo tells whether the handler of an exchange that was cancelled has ended it by
// Finish, Respond or Abort since: until then it is perhaps still at work.
func (x *Exchange) LetGo() bool { return x.letGo || !x.kept }

// Request returns the request.
func (x *Exchange) Request() *asteri.Request { return &x.req }

// Home returns the executor.
func (x *Exchange) Home() asteri.Executor { return x.at.Home }

// Post runs fn on the home. A panic of fn ends the exchange, not the home.
func (x *Exchange) Post(fn func()) bool {
	x.posted.Store(true)
	if x.closed.Load() {
		return false
	}
	return x.at.Home.Post(func() { x.call(guard.Call{Kind: guard.Func, Fn: fn}) })
}

// Reserve counts memory against the connection.
func (x *Exchange) Reserve(n int) {
	guard.Owned(x.at.Home)
	x.wire.Reserve(n)
}

// OnCancel sets the function to call when nobody waits any more.
func (x *Exchange) OnCancel(fn func(cause error)) {
	guard.Owned(x.at.Home)
	x.kept = true
	x.onCancel = fn
	x.told = false
	if x.cause != nil {
		x.at.Home.Post(x.tellCause)
	}
}

// HalfClosed says that the client sends nothing more on its connection, though it
// has not ended its streams. A tunnel is told that this is the end of what comes, a
// handler that waits for content that no more will.
func (x *Exchange) HalfClosed() {
	in := &x.in
	x.turn.Begin(x.at.Awake())
	switch {
	case x.tunnelled != nil && !in.ended:
		in.ended = true
		x.delivered()
	case !x.over:
		x.cancelled(asteri.ErrHalfClosed)
		if !x.over && !in.ended {
			x.failBody(asteri.ErrHalfClosed)
		}
	}
}

// Cancel ends the exchange whose stream is gone: the client has reset it, or the
// connection is lost. A tunnel ends too.
func (x *Exchange) Cancel(cause error) {
	if t := x.tunnelled; t != nil {
		t.lost(cause)
		return
	}
	if x.over {
		x.in.close(x.at)
		return
	}
	x.markOver()
	x.observe(&x.header, cause)
	x.cause = cause // from here on, so that x is not released before it is told
	defer x.cancelled(cause)
	x.failBody(cause)
}

// cancelled notes that nobody waits for the answer any more, or may not.
func (x *Exchange) cancelled(cause error) {
	x.cause = cause
	x.told = false
	x.tellCause()
}

// tellCause reports each cause once. That the client half-closed is no news once
// it has been answered.
func (x *Exchange) tellCause() {
	if x.told || x.onCancel == nil || x.over && errors.Is(x.cause, asteri.ErrHalfClosed) {
		return
	}
	x.told = true
	x.call(guard.Call{Kind: guard.Cancel, Cancel: x.onCancel, Err: x.cause})
}

// OnDrain sets the function to call when the queue is short. A queue that was
// never above the high-water mark since it was last short counts as short.
func (x *Exchange) OnDrain(fn func()) {
	guard.Owned(x.at.Home)
	if x.over {
		return
	}
	x.onDrain = fn
	if !x.high {
		x.posted.Store(true)
		x.at.Home.Post(x.tellDrained)
	}
}

// Drained says that the stream's queue has fallen below the low-water mark.
// Protocols may call it also when it was not above the high one.
func (x *Exchange) Drained() {
	if !x.high {
		return
	}
	x.high = false
	if t := x.tunnelled; t != nil {
		t.tellDrained()
		return
	}
	x.tellDrained()
}

func (x *Exchange) tellDrained() {
	if fn := x.onDrain; fn != nil && !x.over && !x.high {
		x.onDrain = nil
		x.call(guard.Call{Kind: guard.Func, Fn: fn})
	}
}

// queued notes whether writers should wait; Drained will tell when not any more.
func (x *Exchange) queued(n int) int {
	if n >= asteri.HighWater {
		x.high = true
	}
	return n
}

// Shutdown says that the server drains. The exchange goes on; a tunnel is told.
func (x *Exchange) Shutdown() {
	x.stopping = true
	if t := x.tunnelled; t != nil {
		t.tellShutdown()
	}
}

// Abort ends the exchange without a clean end.
func (x *Exchange) Abort(cause error) {
	guard.Owned(x.at.Home)
	if x.over {
		x.letGo = true
		return
	}
	guard.Mistake(x.at.Settings.Logger, cause, &x.req)
	if x.started {
		x.end(&x.header, cause)
		x.wire.Reset(cause)
		return
	}
	refusal, _ := httpfield.RefusalOf(cause)
	x.respondError(refusal, cause)
}

// FileFailed says that a file cannot be read of which content is being sent: the client
// sees a reset. The handler has perhaps finished, and the observer been told, so that it
// is said here.
func (x *Exchange) FileFailed(err error) {
	x.at.Settings.Logger.Error("cannot read a file that is being sent", x.req.LogAttr(), slog.Any("error", err))
	if x.over {
		x.wire.Reset(err)
		return
	}
	x.Abort(err)
}

// fail ends the exchange for a reason that lies in the request.
func (x *Exchange) fail(cause *asteri.StatusError) {
	x.cause = cause // as in Cancel
	defer x.cancelled(cause)
	x.respondError(cause, cause)
}

func (x *Exchange) respondError(refusal *asteri.StatusError, cause error) {
	var h asteri.Header
	h.Add("content-type", "text/plain; charset=utf-8")
	if refusal.RetryAfter > 0 {
		h.AddInt("retry-after", int64(refusal.RetryAfter))
	}
	text := []byte(httpfield.RefusalText(refusal))
	if err := x.makeHead(refusal.Code, &h, int64(len(text))); err != nil {
		panic(err) // its fields are our own
	}
	x.sendWhole(text)
	x.end(&h, cause)
}

// end is the end of every exchange but those whose stream is lost. What is to be
// sent has been queued by then, or a reset follows.
func (x *Exchange) end(h *asteri.Header, err error) {
	x.markOver()
	x.observe(h, err)
	if err == nil {
		err = asteri.ErrClosed
	}
	x.failBody(err)
}

func (x *Exchange) markOver() {
	x.over = true
	x.onDrain = nil
	if x.kept || x.posted.Load() {
		x.closed.Store(true)
	}
}

func (x *Exchange) observe(h *asteri.Header, err error) {
	if x.at.Settings.Observer != nil {
		x.at.Observe(x.outcome(h, err))
	}
}

// outcome is what the observer is told.
func (x *Exchange) outcome(h *asteri.Header, err error) asteri.Record {
	out := x.content
	if !x.hasBody {
		out = 0
	}
	if !x.started {
		h = nil
	}
	record := asteri.Record{
		Request: &x.req, Peer: x.req.Peer, Status: x.status,
		BytesIn: x.in.received, BytesOut: out, BytesSent: x.headBytes + out,
		Duration: time.Since(x.req.Received), Err: err, Header: h,
	}
	if !x.begun.IsZero() {
		record.Sending = record.Duration - x.begun.Sub(x.req.Received)
	}
	return record
}

// mistake ends the exchange for a mistake of the application: its handler perhaps does
// not look at the error.
func (x *Exchange) mistake(err error) error {
	x.Abort(err)
	return err
}
