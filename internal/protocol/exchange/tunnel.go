package exchange

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Upgrade ends HTTP on the connection, with 101 (Switching Protocols), or on a stream,
// with 200, and returns the tunnel that remains. What the client sent behind its request
// belongs to it.
func (x *Exchange) Upgrade(h *asteri.Header) (asteri.Tunnel, error) {
	x.at.owned()
	if err := x.mayStart(); err != nil {
		return nil, err
	}
	status, err := x.wire.Offered(h.Get("Upgrade"))
	if err != nil {
		return nil, err
	}
	head, err := x.section(status, h)
	switch facts := &head.Facts; {
	case err != nil:
		return nil, err
	case facts.Length != httpfield.LengthUnknown || facts.Close:
		return nil, httpfield.Misuse("field that may not stand in an upgrade")
	}
	head.ID = x.req.Handling.ID != "" && x.tellsID(h)
	x.kept = true
	x.status = status
	x.hasBody = true
	x.wire.Commit(head, nil, false)
	return x.becomes(h), nil
}

// becomes is the end of an exchange that goes on as a tunnel.
func (x *Exchange) becomes(h *asteri.Header) *Tunnel {
	x.over(upgraded)
	t, ch := x.wire.Become()
	t.at, t.ch, t.path = x.at, ch, string(x.req.Path)
	t.high, t.stopping = x.high, x.stopping
	if o := x.at.Settings.Observer; o != nil {
		var r asteri.Record
		x.describe(&r, h, nil)
		t.closed = callback.Open(o, &r, x.at.Settings.Logger)
	}
	if x.body.ended && x.req.Protocol != "" { // else that was the end of the request only
		t.in.ended = true
		t.PeerEnded()
	}
	if x.body.early.Len() > 0 {
		t.in.kept = t.store()
		*t.in.kept, x.body.early = x.body.early, Queue{}
	}
	x.failBody(asteri.ErrClosed)
	return t
}

// Tunnel is what remains of an exchange after an upgrade. A graceful stop leaves it alone
// until its time is over: only its handler knows how to say goodbye.
type Tunnel struct {
	at   *Local
	ch   Channel
	path string // of the request, for the log

	over     atomic.Bool
	high     bool // the queue was above the high-water mark
	stopping bool // the server drains
	spoke    bool // something was written since CheckHandler
	in       intake

	out    int64               // bytes queued
	since  time.Duration       // when that was, by the clock of deadlines, once the client sends no more
	closed asteri.TunnelClosed // to be told of the end; may be nil

	onDrain    func()
	onShutdown func()
}

var (
	_ asteri.Tunnel = (*Tunnel)(nil)
	_ Party         = (*Tunnel)(nil)
)

// Read sets the sink for incoming bytes.
func (t *Tunnel) Read(sink asteri.BodySink) {
	t.at.owned()
	switch {
	case t.in.sink != nil:
		t.invoke(callback.Invocation{Kind: callback.Error, Sink: sink, Err: httpfield.Misuse("the tunnel is being read already")})
		return
	case t.Over():
		t.invoke(callback.Invocation{Kind: callback.Error, Sink: sink, Err: asteri.ErrClosed})
		return
	}
	t.in.sink = sink
	t.in.read(t)
}

// Consumed gives back a part of the window.
func (t *Tunnel) Consumed(n int) {
	t.at.owned()
	t.in.consumed(t, n)
}

// Write queues a copy of p.
func (t *Tunnel) Write(p []byte) (queued int, err error) {
	t.at.owned()
	if t.Over() {
		return 0, asteri.ErrClosed
	}
	if t.high && t.ch.Full() {
		t.at.Settings.Logger.Error("application error", slog.Any("error", httpfield.ErrQueueFull), slog.String("path", t.path))
		t.Abort(httpfield.ErrQueueFull)
		return 0, httpfield.ErrQueueFull
	}
	t.out += int64(len(p))
	t.spoke = true
	queued = t.ch.Send(p)
	if queued >= asteri.HighWater {
		t.high = true
	}
	return queued, nil
}

// OnDrain sets the function to call when the queue is short.
func (t *Tunnel) OnDrain(fn func()) {
	t.at.owned()
	t.onDrain = fn
	if !t.high {
		t.at.Home.Post(t.tellDrained)
	}
}

// Drained implements Party.
func (t *Tunnel) Drained() {
	t.high = false
	t.tellDrained()
}

func (t *Tunnel) tellDrained() {
	if !t.high {
		t.tell(&t.onDrain)
	}
}

// OnShutdown sets the function to call when the server drains.
func (t *Tunnel) OnShutdown(fn func()) {
	t.at.owned()
	t.onShutdown = fn
	if t.stopping {
		t.at.Home.Post(t.Shutdown)
	}
}

// Shutdown implements Party.
func (t *Tunnel) Shutdown() {
	t.stopping = true
	t.tell(&t.onShutdown)
}

// tell calls a function of the handler's, once.
func (t *Tunnel) tell(once *func()) {
	if fn := *once; fn != nil && !t.Over() {
		*once = nil
		t.invoke(callback.Invocation{Kind: callback.Func, Fn: fn})
	}
}

// Reserve counts memory against the connection.
func (t *Tunnel) Reserve(n int) {
	t.at.owned()
	t.ch.Reserve(n)
}

// Close closes the tunnel once all is sent.
func (t *Tunnel) Close() {
	t.at.owned()
	if t.end(nil) {
		t.ch.Done()
		t.in.fail(t, asteri.ErrClosed)
	}
}

// Abort resets the stream, or the connection.
func (t *Tunnel) Abort(cause error) {
	t.at.owned()
	if t.end(cause) {
		t.ch.Reset(cause)
		t.in.fail(t, cause)
	}
}

// Cancel implements Party.
func (t *Tunnel) Cancel(cause error) {
	if t.end(cause) {
		t.in.fail(t, cause)
	}
}

// end tells whether the tunnel was still open.
func (t *Tunnel) end(cause error) bool {
	if t.over.Swap(true) {
		return false
	}
	callback.Closed(t.closed, t.in.received, t.out, cause, t.at.Settings.Logger)
	return true
}

// Over implements Party.
func (t *Tunnel) Over() bool { return t.over.Load() }

// Post runs fn on the home.
func (t *Tunnel) Post(fn func()) bool {
	return !t.Over() && t.at.Home.Post(func() { t.invoke(callback.Invocation{Kind: callback.Func, Fn: fn}) })
}

// Home returns the executor.
func (t *Tunnel) Home() asteri.Executor { return t.at.Home }

// invoke calls into the handler's code. A handler that does not return loses its tunnel.
func (t *Tunnel) invoke(c callback.Invocation) { c.Do(t.crashed) }

func (t *Tunnel) crashed(err *asteri.PanicError) {
	t.at.Settings.Logger.Error("handler panicked", slog.Any("value", err.Value), slog.String("path", t.path), slog.String("stack", string(err.Stack)))
	t.Abort(err)
}

// Takes returns how many bytes would be delivered now.
func (t *Tunnel) Takes() int { return t.in.takes() }

// Receive implements Party.
func (t *Tunnel) Receive(p []byte) error {
	t.in.received += int64(len(p))
	if !t.in.closed {
		t.in.take(t, p)
	}
	return nil
}

// ReceiveEnd implements Party.
func (t *Tunnel) ReceiveEnd(*asteri.Header) error {
	if !t.in.ended {
		t.PeerEnded()
		t.in.ended = true
		t.in.delivered(t)
	}
	return nil
}

// HalfClosed implements Party.
func (t *Tunnel) HalfClosed() { _ = t.ReceiveEnd(nil) }

// PeerEnded says that the client sends nothing more, of which not all has been passed on.
func (t *Tunnel) PeerEnded() {
	t.since = t.at.Awake()
	t.ch.Watch(t.CheckWithin())
}

// CheckWithin implements Party: a client that sends no more, and has perhaps left, is not
// waited for if nothing is said to it for long and nothing waits for it. It would stay
// for ever.
func (t *Tunnel) CheckWithin() time.Duration {
	if t.since == 0 || t.Over() {
		return 0
	}
	return t.at.Settings.Timeouts.Handler
}

// CheckHandler implements Party.
func (t *Tunnel) CheckHandler() time.Duration {
	limit := t.CheckWithin()
	if limit <= 0 {
		return 0
	}
	now := t.at.Awake()
	if t.spoke || t.ch.Queued() > 0 {
		t.spoke, t.since = false, now
	}
	if left := limit - (now - t.since); left > 0 {
		return left
	}
	t.Abort(asteri.ErrClientGone)
	return 0
}

// CheckBody implements Party: nobody says when the bytes of a tunnel must come.
func (t *Tunnel) CheckBody() time.Duration { return 0 }

func (t *Tunnel) local() *Local           { return t.at }
func (t *Tunnel) channel() Channel        { return t.ch }
func (t *Tunnel) store() *Queue           { return new(Queue) }
func (t *Tunnel) trailer() *asteri.Header { return nil }
func (t *Tunnel) awaits() {
	if in := &t.in; in.sink != nil && !in.ended && !in.closed && in.window < asteri.BodyWindow {
		t.ch.Await()
	}
}
