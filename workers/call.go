package workers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/system/jobs"
	"github.com/asteri/asteri-loop/workers/internal/turns"
)

// Call is an exchange as a Handler sees it: an io.Reader of the request body and
// an io.Writer of the response body, whose methods wait where those of the
// exchange call back.
//
// A header given to a call belongs to it from then on: it may be shared with
// other calls, but must not be changed. When the client has gone, or the server
// stops hard, methods return asteri.ErrClosed, wrapped together with the cause if
// that is known by then.
// Outside gtornado a response is sent while the handler goes on, so an error
// that a method causes may be returned by a later one.
//
// One goroutine may read the body while another writes the response. All other
// methods are for the handler's own goroutine.
type Call struct {
	blockingIO
	x    asteri.Exchange
	log  *slog.Logger
	body io.Reader // the whole body, if it was read in advance

	watched  bool // OnCancel is set
	reading  bool // ReadBody was called
	finished bool
	conn     *Conn // to be closed with the call

	// The pool's.
	pooled    bool // the call is one of a pool
	displaced bool // timed out, and its worker was replaced
	returned  bool // the handler has
	turn      turns.Place[*Call]
	until     time.Duration // that it may wait, by the clock of deadlines
	// Times since the request came: when the call was ready for a worker, and
	// when it got one; 0 for not yet.
	submitted time.Duration
	taken     atomic.Int64

	// Under mu.
	cause     error  // why nobody waits for the answer
	gone      func() // told when the client has gone; may be nil
	ctx       context.Context
	cancelCtx context.CancelCauseFunc
}

func (c *Call) init(x asteri.Exchange, log *slog.Logger, co *coroutine) {
	c.blockingIO.init(x, co)
	c.x, c.log = x, log
	x.SetTimeout(-1) // the model has its own
}

// newCall makes a call whose handler will run on a goroutine. It is called on
// the executor.
func newCall(x asteri.Exchange, log *slog.Logger) *Call {
	c := new(Call)
	c.init(x, log, nil)
	c.watch()
	return c
}

// watch has the call told when its client goes. It is put off for as long as the
// call is inline and has nothing to wait for, because an exchange that is watched
// is not reused by its session. A call that is not watched has nothing going on
// beside its exchange.
func (c *Call) watch() {
	if !c.watched {
		c.watched = true
		c.x.OnCancel(c.cancelled)
	}
}

// cancelled runs on the executor. A client that only stopped sending is still
// answered, but a handler that looks at the context may spare the work.
func (c *Call) cancelled(cause error) {
	c.endContext(cause)
	if errors.Is(cause, asteri.ErrHalfClosed) {
		return
	}
	c.fail(cause)
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	if gone != nil {
		gone()
	}
}

// onGone sets the function to call when the client has gone, or calls it.
func (c *Call) onGone(fn func()) {
	c.mu.Lock()
	c.gone = fn
	late := c.err != nil
	c.mu.Unlock()
	if late {
		fn()
	}
}

// announce tells the loops that a goroutine is about to run for this call,
// withdraw that it is not.
func (c *Call) announce() {
	c.mu.Lock()
	c.runs()
	c.mu.Unlock()
}

func (c *Call) withdraw() {
	c.mu.Lock()
	c.rests()
	c.mu.Unlock()
}

func (c *Call) endContext(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	cancel := c.cancelCtx
	c.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// Request returns the request.
func (c *Call) Request() *asteri.Request { return c.x.Request() }

// Context returns a context that is cancelled when the client has gone or sends
// nothing more, when the server stops hard, and when ServeCall returns.
// context.Cause tells which.
func (c *Call) Context() context.Context {
	c.watch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.cancelCtx = context.WithCancelCause(context.Background())
		if c.cause != nil {
			c.cancelCtx(c.cause)
		}
	}
	return c.ctx
}

// Read reads the request body. The first call asks the client for it, if it
// waits to be asked (RFC 9110 section 10.1.1). It returns io.EOF at the end of
// the body, and os.ErrDeadlineExceeded after the read deadline.
func (c *Call) Read(p []byte) (int, error) {
	if c.body != nil {
		return c.body.Read(p)
	}
	if err := c.Continue(); err != nil {
		return 0, err
	}
	return c.blockingIO.Read(p)
}

// Continue asks the client for the request body without waiting for it.
func (c *Call) Continue() error {
	if c.reading || c.body != nil {
		return nil
	}
	c.watch()
	c.reading = true
	return c.do(func() error { c.x.ReadBody((*sink)(&c.blockingIO)); return nil })
}

// Trailer returns the trailer fields of the request, once Read has returned
// io.EOF. It is nil if there are none.
func (c *Call) Trailer() *asteri.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inTrailer
}

// Inform sends an interim response, as Exchange.Inform does.
func (c *Call) Inform(status int, h *asteri.Header) error {
	return c.do(func() error { return c.x.Inform(status, h) })
}

// Start begins the response, as Exchange.Start does.
func (c *Call) Start(status int, h *asteri.Header) error {
	c.guard.reached(begun)
	return c.do(func() error { return c.x.Start(status, h) })
}

// Write sends a copy of p as response content. It waits while
// asteri.HighWater bytes or more are queued for the client, and returns
// os.ErrDeadlineExceeded after the write deadline.
func (c *Call) Write(p []byte) (int, error) {
	c.watch()
	c.guard.turnAgain()
	return c.blockingIO.Write(p)
}

// SendFile sends n bytes of f from offset off as response content. It takes over
// f and closes it.
func (c *Call) SendFile(f asteri.File, off, n int64) error {
	c.guard.turnAgain()
	inline := c.inline()
	err := c.do(func() error { return c.x.SendFile(f, off, n) })
	if err != nil && !inline {
		f.Close() // it never got to the exchange
	}
	return err
}

// Finish ends the response; trailer may be nil.
func (c *Call) Finish(trailer *asteri.Header) error {
	return c.end(func() error { return c.x.Finish(trailer) })
}

// Respond answers in one step: a response with h, a Content-Length of len(body),
// which h must not hold, and body. Body belongs to the call from then on.
func (c *Call) Respond(status int, h *asteri.Header, body []byte) error {
	c.guard.reached(complete)
	if c.inline() {
		err := c.x.Respond(status, h, body)
		c.finished = err == nil
		return err
	}
	return c.end(func() error { return c.x.Respond(status, h, body) })
}

// end runs fn, which ends the exchange. If it fails on the executor later, the
// handler can do nothing about it any more.
func (c *Call) end(fn func() error) error {
	c.guard.reached(complete)
	inline := c.inline()
	err := c.do(func() error {
		c.account()
		err := fn()
		if err != nil && !inline {
			c.x.Abort(err)
		}
		return err
	})
	c.finished = err == nil
	return err
}

// Abort ends the exchange without a clean end, as Exchange.Abort does.
func (c *Call) Abort(cause error) {
	c.finished = true
	c.guard.reached(complete)
	if c.inline() {
		c.x.Abort(cause)
		return
	}
	abort := func() {
		c.account()
		c.x.Abort(cause)
	}
	if !c.below.Post(abort) {
		// The exchange is over. A protocol that counts the handlers of streams
		// which its client has reset learns that this one is done.
		c.x.Home().Post(abort)
	}
}

// account tells the observer of the exchange, which is about to end, how long the
// call waited for a worker and had one. It is called on the executor. A call that is
// in no pool has waited for none, and what it took is what the exchange took.
func (c *Call) account() {
	if !c.pooled {
		return
	}
	r := c.Request()
	now := time.Since(r.Received)
	taken := time.Duration(c.taken.Load())
	if taken == 0 {
		r.Handling.Queued = now - c.submitted
		return
	}
	r.Handling.Queued, r.Handling.Worked = taken-c.submitted, now-taken
}

// progress is how far a call of a pool has come, for who looks on.
type progress Call

// Place implements asteri.Progress.
func (p *progress) Place() (worker int, begun bool) {
	if p.taken.Load() == 0 {
		return 0, false
	}
	return os.Getpid(), true
}

// Upgrade ends HTTP on the connection, as Exchange.Upgrade does, and returns the
// connection that remains. It belongs to the caller, who closes it; under
// gtornado it is closed when ServeCall returns.
func (c *Call) Upgrade(h *asteri.Header) (*Conn, error) {
	var conn *Conn
	err := c.ask(func() error {
		t, err := c.x.Upgrade(h)
		if err != nil {
			return err
		}
		conn = newConn(t, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.finished = true
	c.guard.reached(complete)
	if c.inline() {
		c.conn = conn
	}
	return conn, nil
}

// SetReadDeadline sets the time at which waiting for content ends, as net.Conn's
// does. The zero time is none.
func (c *Call) SetReadDeadline(t time.Time) error {
	c.watch()
	return c.setDeadline(&c.inLimit, t)
}

// SetWriteDeadline sets the time at which Write ends waiting, as net.Conn's does.
// The zero time is none.
func (c *Call) SetWriteDeadline(t time.Time) error {
	c.watch()
	return c.setDeadline(&c.outLimit, t)
}

// Sleep waits for d, or until the client has gone.
func (c *Call) Sleep(d time.Duration) error {
	c.watch()
	// Timers of the runtime fire when a processor looks for work, which
	// busy loops have it do only while work is announced.
	jobs.Begin()
	defer jobs.End()
	over := false
	t := time.AfterFunc(d, func() {
		c.mu.Lock()
		over = true
		c.mu.Unlock()
		c.poke()
	})
	defer t.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait(func() bool { return over || c.err != nil })
	return c.err
}

// run runs h to its end, wherever the call is. Stacks show c in it: see dump.method.
//
//go:noinline
func (c *Call) run(h Handler) {
	returned := false
	defer func() { c.close(recover(), returned) }()
	h.ServeCall(c)
	returned = true
	runtime.KeepAlive(c)
}

// close leaves the exchange answered, whatever the handler did.
func (c *Call) close(panicked any, returned bool) {
	switch {
	case !returned:
		err := callback.Panicked(panicked)
		c.logPanic("handler panicked", err)
		c.Abort(err)
	case c.finished:
	case c.failure() != nil:
		c.Abort(c.failure())
	default:
		_ = c.Finish(nil)
	}
	if !c.watched {
		return // there is nothing beside the exchange
	}
	c.endContext(context.Canceled)
	if f, ok := c.body.(io.Closer); ok {
		f.Close()
	}
	if c.conn != nil {
		c.conn.Close()
	}
	c.release()
}

func (c *Call) logPanic(what string, err *asteri.PanicError) {
	r := c.Request()
	c.log.Error(what, slog.Any("value", err.Value), r.LogAttr(), slog.String("stack", string(err.Stack)))
}
