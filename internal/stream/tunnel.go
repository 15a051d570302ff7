package stream

import (
	"log/slog"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
)

// Upgrade answers an extended CONNECT (RFC 8441, RFC 9220) with 200 and returns
// the tunnel that the stream becomes.
func (x *Exchange) Upgrade(kind asteri.UpgradeKind, h *asteri.Header) (asteri.Tunnel, error) {
	guard.Owned(x.at.Home)
	if err := x.mayStart(); err != nil {
		return nil, err
	}
	switch {
	case kind != asteri.UpgradeRaw:
		return nil, httpfield.Misuse("kind of upgrade is not known")
	case x.req.Protocol == "" || !asteri.EqualFold(h.Get("Upgrade"), x.req.Protocol):
		return nil, httpfield.Misuse("upgrade that the client did not offer")
	case x.in.sink != nil:
		return nil, httpfield.Misuse("upgrade of a request whose body is being read")
	}
	var facts httpfield.ResponseFacts
	x.at.begin(200)
	err := x.at.addFields(h, &facts)
	switch {
	case err != nil:
		return nil, err
	case facts.Length != httpfield.LengthUnknown || facts.Close:
		return nil, httpfield.Misuse("field that may not stand in an upgrade")
	}
	x.at.dropUpgrade()
	x.addOwn(&facts)
	x.addID(h)
	x.kept = true
	x.started = true
	x.status = 200
	x.hasBody = true
	x.headBytes += int64(x.wire.SendHead(x.at.fields, false))
	x.markOver()
	t := &tunnel{x: x, before: x.in.received, closed: x.at.observeTunnel(x.outcome(h, nil))}
	x.tunnelled = t
	x.turn.Begin(x.at.Awake())
	x.watch() // the client has perhaps sent all it will
	return t, nil
}

// tunnel is what remains of a stream after an extended CONNECT. It goes on with
// the intake and the wire of its exchange.
type tunnel struct {
	x    *Exchange
	over atomic.Bool

	before int64               // bytes that the exchange had received
	out    int64               // bytes queued
	closed asteri.TunnelClosed // to be told of the end; may be nil

	onDrain    func()
	onShutdown func()
}

var _ asteri.Tunnel = (*tunnel)(nil)

// Read sets the sink for incoming bytes.
func (t *tunnel) Read(sink asteri.BodySink) {
	guard.Owned(t.x.at.Home)
	x := t.x
	switch {
	case x.in.sink != nil:
		x.call(guard.Call{Kind: guard.Error, Sink: sink, Err: httpfield.Misuse("the tunnel is being read already")})
		return
	case t.over.Load():
		x.call(guard.Call{Kind: guard.Error, Sink: sink, Err: asteri.ErrClosed})
		return
	}
	x.in.sink = sink
	x.read()
}

// Consumed gives back a part of the window.
func (t *tunnel) Consumed(n int) { t.x.Consumed(n) }

// Write queues a copy of p.
func (t *tunnel) Write(p []byte) (queued int, err error) {
	guard.Owned(t.x.at.Home)
	if t.over.Load() {
		return 0, asteri.ErrClosed
	}
	if t.x.queueFull() {
		t.x.at.Settings.Logger.Error("application error", slog.Any("error", httpfield.ErrQueueFull), t.x.req.LogAttr())
		t.Abort(httpfield.ErrQueueFull)
		return 0, httpfield.ErrQueueFull
	}
	t.out += int64(len(p))
	return t.x.queued(t.x.wire.Send(p, false)), nil
}

// OnDrain sets the function to call when the queue is short.
func (t *tunnel) OnDrain(fn func()) {
	guard.Owned(t.x.at.Home)
	t.onDrain = fn
	if !t.x.high {
		t.x.at.Home.Post(t.tellDrained)
	}
}

func (t *tunnel) tellDrained() {
	if fn := t.onDrain; fn != nil && !t.over.Load() && !t.x.high {
		t.onDrain = nil
		t.call(fn)
	}
}

// OnShutdown sets the function to call when the server drains.
func (t *tunnel) OnShutdown(fn func()) {
	guard.Owned(t.x.at.Home)
	t.onShutdown = fn
	if t.x.stopping {
		t.x.at.Home.Post(t.tellShutdown)
	}
}

func (t *tunnel) tellShutdown() {
	if fn := t.onShutdown; fn != nil && !t.over.Load() {
		t.onShutdown = nil
		t.call(fn)
	}
}

// Reserve counts memory against the connection.
func (t *tunnel) Reserve(n int) { t.x.Reserve(n) }

// Close ends the stream once all is sent.
func (t *tunnel) Close() {
	guard.Owned(t.x.at.Home)
	if t.end(nil) {
		t.x.wire.Send(nil, true)
		t.x.stopReading()
		t.x.failBody(asteri.ErrClosed)
	}
}

// Abort resets the stream.
func (t *tunnel) Abort(cause error) {
	guard.Owned(t.x.at.Home)
	if t.end(cause) {
		t.x.wire.Reset(cause)
		t.x.failBody(cause)
	}
}

// lost ends the tunnel whose stream is gone.
func (t *tunnel) lost(cause error) {
	if t.end(cause) {
		t.x.failBody(cause)
	}
}

// Post runs fn on the home.
func (t *tunnel) Post(fn func()) bool {
	return !t.over.Load() && t.x.at.Home.Post(func() { t.call(fn) })
}

// Home returns the executor.
func (t *tunnel) Home() asteri.Executor { return t.x.at.Home }

// end tells whether the tunnel was still open.
func (t *tunnel) end(cause error) bool {
	if t.over.Swap(true) {
		return false
	}
	guard.Closed(t.closed, t.x.in.received-t.before, t.out, cause, t.x.at.Settings.Logger)
	return true
}

func (t *tunnel) call(fn func()) { t.x.call(guard.Call{Kind: guard.Func, Fn: fn}) }

// Tunnelled tells whether HTTP is over on this stream, and bytes pass.
func (x *Exchange) Tunnelled() bool { return x.tunnelled != nil }
