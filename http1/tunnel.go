package http1

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/onloop"
	"github.com/asteri/asteri-loop/internal/poison"
	"github.com/asteri/asteri-loop/loop"
)

// Upgrade ends HTTP on the connection with 101 (Switching Protocols). What the
// client sent behind its request belongs to the tunnel.
func (x *exchange) Upgrade(kind asteri.UpgradeKind, h *asteri.Header) (asteri.Tunnel, error) {
	guard.Owned(x.home)
	if err := x.mayStart(); err != nil {
		return nil, err
	}
	s := x.session
	switch {
	case kind != asteri.UpgradeRaw:
		return nil, httpfield.Misuse("kind of upgrade is not known")
	case !x.upgradable || !x.offered(string(h.Get("Upgrade"))):
		return nil, httpfield.Misuse("upgrade that the client did not offer") // RFC 9110 section 7.8
	case !s.body.done():
		return nil, httpfield.Misuse("upgrade before the end of the request")
	}
	b := s.at.buf[:0]
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"...)
	var facts httpfield.ResponseFacts
	b, err := appendFields(b, h, &facts)
	switch {
	case err != nil:
		return nil, err
	case facts.Length != httpfield.LengthUnknown || facts.Close:
		return nil, httpfield.Misuse("field that may not stand in an upgrade")
	}
	if !facts.Server {
		b = append(b, s.at.server...)
	}
	if !facts.Date {
		b = append(b, s.at.dateLine()...)
	}
	b = append(x.appendID(b, h), '\r', '\n')
	x.kept = true
	x.started = true
	x.status = 101
	x.send(b)
	s.at.putBuf(b)
	s.startTimer(timerNone, 0)
	s.phase = phaseOver
	t := &tunnel{conn: s.conn, home: x.home, log: s.at.settings.Logger, path: string(x.req.Path), high: s.high, stopping: s.stopping, limit: s.at.settings.Timeouts.Handler}
	x.becomes(t, h)
	s.conn.Replace(tunnelSession{t})
	return t, nil
}

// offered tells whether the client's Upgrade field lists protocol.
func (x *exchange) offered(protocol string) bool {
	return protocol != "" && httpfield.ListsItem(&x.req.Header, "Upgrade", protocol)
}

// tunnel is what remains of a connection after an upgrade: to the handler an
// asteri.Tunnel, to the loop, by tunnelSession, a session. A graceful stop
// leaves it alone until its time is over: only its handler knows how to say
// goodbye. It keeps nothing of the exchange, whose head is large beside what an idle
// tunnel needs.
type tunnel struct {
	conn loop.Conn
	home *loop.Loop
	log  *slog.Logger
	path string // of the request, for the log
	over atomic.Bool

	in, out int64               // bytes that came and were queued
	limit   time.Duration       // how long the handler may be silent once the peer sends no more; 0: none
	said    int64               // out when that was last looked at
	closed  asteri.TunnelClosed // to be told of the end; may be nil

	sink     asteri.BodySink
	window   int  // bytes delivered and not yet consumed
	paused   bool // input waits for the sink or its window
	eof      bool // the peer sends no more
	sinkDone bool // the sink has had its last call
	high     bool // the send queue was above the high-water mark
	onDrain  func()

	stopping   bool // the server drains
	onShutdown func()
}

var _ asteri.Tunnel = (*tunnel)(nil)

// Read sets the sink for incoming bytes.
func (t *tunnel) Read(sink asteri.BodySink) {
	guard.Owned(t.home)
	switch {
	case t.sink != nil:
		t.handle(guard.Call{Kind: guard.Error, Sink: sink, Err: httpfield.Misuse("the tunnel is being read already")})
		return
	case t.over.Load():
		t.handle(guard.Call{Kind: guard.Error, Sink: sink, Err: asteri.ErrClosed})
		return
	}
	t.sink = sink
	if t.eof && !t.paused {
		t.endInput()
		return
	}
	t.resume()
}

// Consumed gives back a part of the window.
func (t *tunnel) Consumed(n int) {
	guard.Owned(t.home)
	t.window -= n
	if t.window < asteri.BodyWindow {
		t.resume()
	}
}

// Write queues a copy of p.
func (t *tunnel) Write(p []byte) (queued int, err error) {
	guard.Owned(t.home)
	if t.over.Load() {
		return 0, asteri.ErrClosed
	}
	if t.high && t.conn.Full() {
		t.log.Error("application error", "error", httpfield.ErrQueueFull, "path", t.path)
		t.Abort(httpfield.ErrQueueFull)
		return 0, httpfield.ErrQueueFull
	}
	t.out += int64(len(p))
	queued = t.conn.Write(p)
	if queued >= asteri.HighWater {
		t.high = true
	}
	return queued, nil
}

// OnDrain sets the function to call when the queue is short.
func (t *tunnel) OnDrain(fn func()) {
	guard.Owned(t.home)
	t.onDrain = fn
	if !t.high {
		t.home.Post(t.drained)
	}
}

func (t *tunnel) drained() {
	if fn := t.onDrain; fn != nil && !t.over.Load() && !t.high {
		t.onDrain = nil
		t.call(fn)
	}
}

// OnShutdown sets the function to call when the server drains.
func (t *tunnel) OnShutdown(fn func()) {
	guard.Owned(t.home)
	t.onShutdown = fn
	if t.stopping {
		t.conn.Post(t.tellShutdown)
	}
}

func (t *tunnel) tellShutdown() {
	if fn := t.onShutdown; fn != nil && !t.over.Load() {
		t.onShutdown = nil
		t.call(fn)
	}
}

// Reserve counts memory against the connection.
func (t *tunnel) Reserve(n int) {
	guard.Owned(t.home)
	t.conn.Reserve(n)
}

// Close closes the tunnel once all is sent.
func (t *tunnel) Close() {
	guard.Owned(t.home)
	if t.end(nil) {
		t.conn.CloseWhenFlushed(!t.eof)
		t.failInput(asteri.ErrClosed)
	}
}

// Abort resets the connection.
func (t *tunnel) Abort(cause error) {
	guard.Owned(t.home)
	if t.end(cause) {
		t.conn.Abort(cause)
		t.failInput(cause)
	}
}

// Post runs fn on the loop.
func (t *tunnel) Post(fn func()) bool {
	return !t.over.Load() && t.home.Post(func() { t.call(fn) })
}

// Home returns the loop.
func (t *tunnel) Home() asteri.Executor { return t.home }

// end tells whether the tunnel was still open.
func (t *tunnel) end(cause error) bool {
	if t.over.Swap(true) {
		return false
	}
	guard.Closed(t.closed, t.in, t.out, cause, t.log)
	return true
}

// call calls into the handler's code. After a panic the tunnel is reset.
func (t *tunnel) call(fn func()) { t.handle(guard.Call{Kind: guard.Func, Fn: fn}) }

func (t *tunnel) handle(c guard.Call) { c.Do(t.crashed) }

// crashed resets the tunnel of a handler that did not return.
func (t *tunnel) crashed(err *asteri.PanicError) {
	t.log.Error("handler panicked", "value", err.Value, "path", t.path, "stack", string(err.Stack))
	t.Abort(err)
}

func (t *tunnel) endInput() {
	if t.sink != nil && !t.sinkDone {
		t.sinkDone = true
		t.handle(guard.Call{Kind: guard.End, Sink: t.sink})
	}
}

func (t *tunnel) failInput(cause error) {
	if t.sink != nil && !t.sinkDone {
		t.sinkDone = true
		t.handle(guard.Call{Kind: guard.Error, Sink: t.sink, Err: cause})
	}
}

func (t *tunnel) pause() {
	if !t.paused {
		t.paused = true
		t.conn.PauseRead()
	}
}

// resume has input offered again, and an end of it: see session.resume.
func (t *tunnel) resume() {
	switch {
	case !t.paused:
		return
	case t.eof:
		t.conn.Replace(tunnelSession{t})
	default:
		t.conn.ResumeRead()
	}
	t.paused = false
}

// tunnelSession is the loop's view of a tunnel.
type tunnelSession struct{ *tunnel }

var _ loop.Unhurried = tunnelSession{}

// Unhurried implements loop.Unhurried.
func (tunnelSession) Unhurried() {}

// OnData delivers bytes as far as the window is open.
func (t tunnelSession) OnData(in []byte) (consumed int, err error) {
	for consumed < len(in) && !t.over.Load() {
		n := min(len(in)-consumed, asteri.BodyWindow-t.window)
		if t.sink == nil || n <= 0 {
			t.pause()
			break
		}
		t.window += n
		t.in += int64(n)
		t.handle(guard.Call{Kind: guard.Body, Sink: t.sink, P: in[consumed : consumed+n]})
		poison.Fill(in[consumed : consumed+n])
		consumed += n
	}
	return consumed, nil
}

// OnEOF tells the sink that the peer half-closed, behind all that it sent.
func (t tunnelSession) OnEOF() {
	t.eof = true
	t.said = t.out
	t.conn.SetTimer(readTimer, t.limit)
	if !t.paused {
		t.endInput()
	}
}

// OnDrain lets the writer go on.
func (t tunnelSession) OnDrain() {
	t.high = false
	t.drained()
}

// OnTimer gives up a peer that sends no more, and has perhaps left, if nothing was said
// to it for long and nothing waits for it: it would stay for ever.
func (t tunnelSession) OnTimer(loop.Timer) {
	if t.out == t.said && t.conn.Queued() == 0 {
		t.Abort(asteri.ErrClientGone)
		return
	}
	t.said = t.out
	t.conn.SetTimer(readTimer, t.limit)
}

// OnShutdown leaves the goodbye to the handler.
func (t tunnelSession) OnShutdown() {
	t.stopping = true
	t.tellShutdown()
}

// OnClose tells the sink that there is nobody any more.
func (t tunnelSession) OnClose(cause error) {
	if cause = onloop.Gone(cause); t.end(cause) {
		t.failInput(cause)
	}
}
