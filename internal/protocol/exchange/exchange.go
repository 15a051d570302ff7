package exchange

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/system/poison"
)

// Exchange is one request and its response. The home's goroutine owns all of it
// but closed and posted.
type Exchange struct {
	at     *Local
	wire   Wire
	peer   *asteri.Peer // the connection; the request's may be a client behind it
	posted atomic.Bool  // Post was used
	closed atomic.Bool  // over, for Post; set only if somebody may have kept x

	req      asteri.Request
	arena    []byte // what req's slices point into, beside its header's memory
	body     body
	occupied int // bytes counted by Occupy

	// The response.
	state   state
	hasBody bool // it has content, which is sent
	fixed   bool // and it is left bytes
	status  int
	left    int64
	content int64         // content taken from the handler
	framed  int64         // bytes sent beside that
	begun   time.Time     // when it started, if it was not given whole
	header  asteri.Header // as started, kept for the observer only

	serving   bool // the handler is being given it
	kept      bool // somebody may hold on to it
	stopping  bool // the server drains
	letGo     bool // the handler has ended it, though it was over before
	continues bool // the client waits for 100 (Continue)
	old       bool // it takes no interim response
	high      bool // the queue was above the high-water mark
	told      bool // onCancel knows
	onCancel  func(error)
	onDrain   func()
	cause     error // why nobody waits for the answer any more
	turn      callback.Turn
}

var (
	_ asteri.Exchange = (*Exchange)(nil)
	_ asteri.Releaser = (*Exchange)(nil)
	_ Party           = (*Exchange)(nil)
)

// Init makes x the exchange of a new request on wire, which comes over the
// connection peer.
func (x *Exchange) Init(at *Local, wire Wire, proto asteri.Proto, peer *asteri.Peer) {
	if x.at != at {
		x.at, x.wire = at, wire // and so they stay: an exchange is its Wire's
	}
	x.peer = peer
	x.req.Proto = proto
	x.req.Handling = asteri.Handling{}
	x.req.Peer = peer
	x.req.Scheme = "http"
	if peer.TLS != nil {
		x.req.Scheme = "https"
	}
	x.body.reset()
	x.state = asked
	x.high, x.stopping, x.letGo, x.continues, x.old = false, false, false, false, false
	x.begun = time.Time{}
	x.status = 0
	x.content, x.framed = 0, 0
	x.cause = nil
	x.turn = callback.Turn{}
	if at.Settings.Observer != nil {
		x.header.Reset()
	}
}

// Head prepares h to take the request's field lines.
func (x *Exchange) Head(h *httpfield.RequestHead) {
	x.req.Header.Reset()
	x.arena = poison.Reuse(x.arena)
	h.Begin(&x.req, x.arena, &x.at.Settings.Limits)
}

// HeadDone takes over what h has made.
func (x *Exchange) HeadDone(h *httpfield.RequestHead) {
	x.arena = h.Arena()
	x.continues = h.Facts.Expects100
	x.req.Received = x.at.Home.Now()
}

// Keep copies the bytes of a head, for as long as the request lives.
func (x *Exchange) Keep(p []byte) []byte {
	x.arena = append(x.arena[:0], p...)
	return x.arena
}

// Client says what the client knows: whether it waits for 100 (Continue), and whether it
// takes interim responses at all. Without a call it takes them.
func (x *Exchange) Client(waits, interim bool) { x.continues, x.old = waits, !interim }

// WaitsToContinue tells whether the client waits for 100 (Continue).
func (x *Exchange) WaitsToContinue() bool { return x.continues }

// Serve hands the request to the handler, or answers it if it was understood and is
// refused. ended tells that neither content nor trailers follow.
func (x *Exchange) Serve(ended bool, refusal *asteri.StatusError) {
	x.body.ended = ended
	x.serving = true
	if refusal != nil {
		x.Fail(refusal)
	} else {
		callback.Serve(x.at.Settings.Handler, x, x.crashed)
	}
	x.serving = false
	if !x.Over() {
		x.kept = true
		x.turn.Begin(x.at.Awake())
	}
}

// Reusable tells whether nobody can have kept x: see asteri.Exchange.
func (x *Exchange) Reusable() bool { return !x.kept && x.spent() }

// spent tells whether x is over, has nothing on its way to it, and is of a size to be
// used again.
func (x *Exchange) spent() bool { return x.Over() && !x.posted.Load() && cap(x.arena) <= maxSpare }

// Release takes back an exchange that was kept and answered. One that a function may
// still be on its way to, or that its protocol has a use for, is left to the collector.
func (x *Exchange) Release() bool {
	if !x.kept || !x.spent() || x.serving || x.cause != nil || x.state == upgraded || x.body.busy() || !x.wire.Recycle() {
		return false
	}
	x.kept = false
	x.onCancel = nil
	x.body.forget()
	x.closed.Store(false)
	return true
}

// Retire tells whether x, which nobody keeps, may serve another request. In a debug
// build it may not, and slices that a handler has kept nevertheless are destroyed.
func (x *Exchange) Retire() (reuse bool) {
	if callback.Debug {
		x.arena = poison.Reuse(x.arena)
	}
	return !callback.Debug
}

// Spare lets go of what a request leaves in x that waits for the next one, and returns
// how much memory it keeps.
func (x *Exchange) Spare() int {
	x.peer, x.req.Peer = nil, nil
	x.req.Header.Reset()
	return cap(x.arena)
}

// maxSpare bounds the memory that an exchange may keep for the next request.
const maxSpare = 16 << 10

// Occupy counts the memory that a stream takes with its request, beside bytes of its
// own, from when it waits for its handler or its client until Vacate.
func (x *Exchange) Occupy(beside int) {
	x.occupied = beside + cap(x.arena)
	x.wire.Reserve(x.occupied)
}

// Vacate takes back what Occupy counted, if it did.
func (x *Exchange) Vacate() {
	if x.occupied != 0 {
		x.wire.Reserve(-x.occupied)
		x.occupied = 0
	}
}

// Framed counts n bytes that are sent beside content, for the observer.
func (x *Exchange) Framed(n int) { x.framed += int64(n) }

// LetGo tells whether the handler of an exchange that was cancelled has ended it by
// Finish, Respond or Abort since: until then it is perhaps still at work.
func (x *Exchange) LetGo() bool { return x.letGo || !x.kept }

// AtWork tells whether the client has gone while the handler was at work, which perhaps
// still is.
func (x *Exchange) AtWork() bool { return x.state == lost && !x.LetGo() }

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
	return x.at.Home.Post(func() { x.invoke(callback.Invocation{Kind: callback.Func, Fn: fn}) })
}

// Reserve counts memory against the connection.
func (x *Exchange) Reserve(n int) {
	x.at.owned()
	x.wire.Reserve(n)
}

// OnDrain sets the function to call when the queue is short. A queue that was
// never above the high-water mark since it was last short counts as short.
func (x *Exchange) OnDrain(fn func()) {
	x.at.owned()
	if x.Over() {
		return
	}
	x.onDrain = fn
	if !x.high {
		x.posted.Store(true)
		x.at.Home.Post(x.tellDrained)
	}
}

// Drained implements Party.
func (x *Exchange) Drained() {
	if x.high {
		x.high = false
		x.tellDrained()
	}
}

func (x *Exchange) tellDrained() {
	if fn := x.onDrain; fn != nil && !x.Over() && !x.high {
		x.onDrain = nil
		x.invoke(callback.Invocation{Kind: callback.Func, Fn: fn})
	}
}

// Congested says that the queue is above the high-water mark already.
func (x *Exchange) Congested() { x.high = true }

// queued notes whether writers should wait; Drained will tell when not any more.
func (x *Exchange) queued(n int) int {
	if n >= asteri.HighWater {
		x.high = true
	}
	return n
}

// Shutdown implements Party.
func (x *Exchange) Shutdown() { x.stopping = true }

// invoke calls into the handler's code. A panic there ends the exchange with a
// 500, or a reset, and the server goes on.
func (x *Exchange) invoke(c callback.Invocation) { c.Do(x.crashed) }

// crashed ends the exchange of a handler that did not return.
func (x *Exchange) crashed(err *asteri.PanicError) {
	x.at.Settings.Logger.Error("handler panicked", slog.Any("value", err.Value), x.req.LogAttr(), slog.String("stack", string(err.Stack)))
	x.kept = true
	if !x.Over() {
		x.Abort(err)
		x.cancelled(err) // what else the handler has going on for it
	}
}

// observe tells the observer of the end. The record is the next one's, too.
func (x *Exchange) observe(h *asteri.Header, err error) {
	x.describe(&x.at.record, h, err)
	callback.Observe(x.at.Settings.Observer, &x.at.record, x.at.Settings.Logger)
}

// describe sets every field of r.
func (x *Exchange) describe(r *asteri.Record, h *asteri.Header, err error) {
	r.Request, r.Home, r.Peer, r.Status = &x.req, x.at.Home, x.peer, x.status
	r.BytesIn, r.BytesOut = x.body.received, 0
	if x.hasBody {
		r.BytesOut = x.content
	}
	r.BytesSent = x.framed + r.BytesOut
	r.Duration, r.Sending = time.Since(x.req.Received), 0 // which reads one clock of two
	if !x.begun.IsZero() {
		r.Sending = r.Duration - x.begun.Sub(x.req.Received)
	}
	r.Err, r.Header = err, nil
	if x.status != 0 {
		r.Header = h
	}
}
