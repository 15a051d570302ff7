package http1

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/urlpath"
	"github.com/asteri/asteri-loop/loop"
)

// exchange is one request and its response. The loop's goroutine owns all of it
// but closed, posted and home.
type exchange struct {
	session *session // of the connection; its x is this exchange until it ends
	home    *loop.Loop
	posted  atomic.Bool // Post was used
	closed  atomic.Bool // over, for Post; set only if somebody may have kept x

	req   asteri.Request
	arena []byte // the head as received, into which req's slices point

	// The request body.
	sink       asteri.BodySink // nil until ReadBody
	window     int             // bytes delivered and not yet consumed
	expects100 bool            // the client waits for 100 (Continue)
	bodyEnded  bool            // the sink has had its last call
	upgradable bool            // the client offers to upgrade
	modern     bool            // the client knows chunks and interim responses

	// The response.
	started   bool
	keepAlive bool
	begun     time.Time // when it started, if it was not given whole
	framing   contentFraming
	status    int
	left      int64         // content still to come under frameLength
	content   int64         // content taken from the handler
	sent      int64         // bytes queued for the client
	header    asteri.Header // as started, kept for the observer only

	over     bool // the exchange has ended
	kept     bool // somebody may hold on to this exchange
	serving  bool // its handler's ServeExchange has not returned
	onCancel func(error)
	onDrain  func()
	cause    error // why nobody waits for the answer any more
	told     bool  // onCancel knows
}

var (
	_ asteri.Exchange = (*exchange)(nil)
	_ asteri.Releaser = (*exchange)(nil)
)

// begin makes x the exchange of the request whose head is p.
func (x *exchange) begin(s *session, h *head, p []byte) {
	x.session = s
	x.home = s.at.loop
	x.keepAlive = h.persistent() && !s.stopping && !s.at.settings.NoKeepAlive
	x.modern = h.version == asteri.HTTP11
	x.upgradable = h.upgrade && x.modern
	x.arena = append(x.arena[:0], p...)
	r := &x.req
	r.Method = h.method
	r.Proto = h.version
	r.Scheme = "http"
	if s.peer.TLS != nil {
		r.Scheme = "https"
	}
	r.Target = h.target.of(x.arena)
	r.Path = h.path.of(x.arena)
	r.Query = h.query.of(x.arena)
	r.Authority = h.host.of(x.arena)
	if h.form != originForm {
		x.fixTarget(h)
	}
	if r.Route, r.Ambiguous = r.Path, false; !h.plain {
		r.Route, r.Ambiguous = urlpath.Normal(r.Path)
	}
	r.ContentLength = h.length
	if h.chunked {
		r.ContentLength = -1
	}
	x.expects100 = h.expects100 && x.modern && r.ContentLength != 0
	r.Received = s.at.loop.Now()
	r.Handling = asteri.Handling{}
	r.Peer = &s.peer
	h.copyFields(&r.Header, x.arena)
}

// fixTarget sets what is not as in origin-form. The host of an absolute target
// wins over Host, and its path is never empty, RFC 9112 section 3.2.
func (x *exchange) fixTarget(h *head) {
	if h.form == asteriskForm {
		return
	}
	x.req.Authority = h.authority.of(x.arena)
	if h.form == absoluteForm && h.path.empty() {
		x.req.Path = []byte("/")
		if h.method == "OPTIONS" && h.query.empty() {
			x.req.Path = []byte("*") // section 3.2.4
		}
	}
}

// addedFields is how many fields handlers add to a request, for which there is room:
// an id and the place in a trace.
const addedFields = 2

// copyFields fills dst with the fields, as views of p.
func (h *head) copyFields(dst *asteri.Header, p []byte) {
	dst.Reset()
	dst.Grow(len(h.fields) + addedFields)
	for i := range h.fields {
		name, value := &h.fields[i].name, &h.fields[i].value
		dst.Append(p[name.from:name.to:name.to], p[value.from:value.to:value.to])
	}
}

// reset prepares x, which nobody keeps, for another request. It keeps its memory.
// What begin sets is left, and so is what only an exchange has that is not used
// again.
func (x *exchange) reset() {
	x.session = nil
	x.req.Peer = nil
	x.req.Header.Reset()
	x.arena = x.arena[:0]
	x.header.Reset()
	x.over = false
	x.started = false
	x.begun = time.Time{}
	x.status = 0
	x.content, x.sent = 0, 0
	x.cause = nil
}

// reusable tells whether nobody can have kept x: see asteri.Exchange.
func (x *exchange) reusable() bool { return !x.kept && !x.posted.Load() }

// Release takes back an exchange that was kept and answered. One that a function may
// still be on its way to is left to the collector.
func (x *exchange) Release() bool {
	if !x.over || !x.kept || x.serving || x.posted.Load() || x.cause != nil || x.session == nil || x.sink != nil && !x.bodyEnded {
		return false
	}
	at := x.session.at
	x.kept = false
	x.onCancel = nil
	x.sink, x.bodyEnded, x.window = nil, false, 0
	x.closed.Store(false)
	at.putExchange(x)
	return true
}

// Request returns the request.
func (x *exchange) Request() *asteri.Request { return &x.req }

// Home returns the loop.
func (x *exchange) Home() asteri.Executor { return x.home }

// Post runs fn on the loop. A panic of fn ends the exchange, not the loop.
func (x *exchange) Post(fn func()) bool {
	x.posted.Store(true)
	if x.closed.Load() {
		return false
	}
	return x.home.Post(func() { x.call(guard.Call{Kind: guard.Func, Fn: fn}) })
}

// Reserve counts memory against the connection.
func (x *exchange) Reserve(n int) { x.session.conn.Reserve(n) }

// OnCancel sets the function to call when nobody waits any more.
func (x *exchange) OnCancel(fn func(cause error)) {
	x.kept = true
	x.onCancel = fn
	x.told = false
	if x.cause != nil {
		x.home.Post(x.tellCause)
	}
}

// cancel notes that nobody waits for the answer any more, or may not.
func (x *exchange) cancel(cause error) {
	x.cause = cause
	x.told = false
	x.tellCause()
}

// tellCause reports each cause once. That the client half-closed is no news once
// it has been answered.
func (x *exchange) tellCause() {
	if x.told || x.onCancel == nil || x.over && errors.Is(x.cause, asteri.ErrHalfClosed) {
		return
	}
	x.told = true
	x.call(guard.Call{Kind: guard.Cancel, Cancel: x.onCancel, Err: x.cause})
}

// OnDrain sets the function to call when the queue is short. A queue that was
// never above the high-water mark since it was last short counts as short: the
// loop announces only the fall from there.
func (x *exchange) OnDrain(fn func()) {
	if x.over {
		return
	}
	x.onDrain = fn
	if !x.session.high {
		x.posted.Store(true)
		x.home.Post(x.drained)
	}
}

func (x *exchange) drained() {
	if fn := x.onDrain; fn != nil && !x.over && !x.session.high {
		x.onDrain = nil
		x.call(guard.Call{Kind: guard.Func, Fn: fn})
	}
}

// Abort ends the exchange without a clean end.
func (x *exchange) Abort(cause error) {
	if x.over {
		return
	}
	if x.started {
		s := x.session
		s.phase = phaseOver
		x.end(&x.header, cause)
		s.conn.Abort(cause)
		return
	}
	refusal, asked := httpfield.RefusalOf(cause)
	if !asked {
		x.keepAlive = false
	}
	x.respondError(refusal, cause)
}

// fail ends the exchange for a reason that lies in the request. The connection
// cannot go on.
func (x *exchange) fail(cause *asteri.StatusError) {
	x.keepAlive = false
	x.cause = cause // from here on, so that x is not released before it is told
	x.respondError(cause, cause)
	x.cancel(cause)
}

func (x *exchange) respondError(refusal *asteri.StatusError, cause error) {
	var h asteri.Header
	h.Add("Content-Type", "text/plain; charset=utf-8")
	if refusal.RetryAfter > 0 {
		h.AddInt("Retry-After", int64(refusal.RetryAfter))
	}
	text := []byte(httpfield.RefusalText(refusal))
	b, err := x.appendHead(nil, refusal.Code, &h, int64(len(text)))
	if err != nil { // its fields are our own
		panic(err)
	}
	x.started = true
	x.left = 0
	if x.framing != frameNone {
		b = append(b, text...)
	}
	x.content = int64(len(text))
	x.send(b)
	x.end(&h, cause)
}

// end is the end of every exchange but those whose connection is lost.
func (x *exchange) end(h *asteri.Header, err error) {
	x.markOver()
	x.observe(h, err)
	x.session.exchangeOver(x)
	if err == nil {
		err = asteri.ErrClosed
	}
	x.failBody(err)
}

// lost ends the exchange whose connection is gone.
func (x *exchange) lost(cause error) {
	x.markOver()
	x.observe(&x.header, cause)
	x.cause = cause // as in fail
	x.failBody(cause)
	x.cancel(cause)
}

func (x *exchange) markOver() {
	x.over = true
	x.onDrain = nil
	if !x.reusable() {
		x.closed.Store(true)
	}
}

// becomes is the end of an exchange that goes on as t.
func (x *exchange) becomes(t *tunnel, h *asteri.Header) {
	x.markOver()
	if at := x.session.at; at.settings.Observer != nil {
		var r asteri.Record
		x.describe(&r, h, nil)
		t.closed = asteri.OpenTunnel(at.settings.Observer, &r)
	}
	x.session.exchangeOver(x)
	x.failBody(asteri.ErrClosed)
}

// observe tells the observer of the end. The record is the next one's, too.
func (x *exchange) observe(h *asteri.Header, err error) {
	at := x.session.at
	if at.settings.Observer != nil {
		x.describe(&at.record, h, err)
		at.settings.Observer.ExchangeDone(&at.record)
	}
}

// describe sets every field of r.
func (x *exchange) describe(r *asteri.Record, h *asteri.Header, err error) {
	s := x.session
	r.Request, r.Home, r.Peer, r.Status = &x.req, x.home, &s.peer, x.status
	r.BytesIn, r.BytesOut, r.BytesSent = s.body.received, x.content, x.sent
	if x.framing == frameNone {
		r.BytesOut = 0
	}
	r.Duration, r.Sending = time.Since(x.req.Received), 0 // which reads one clock of two
	if !x.begun.IsZero() {
		r.Sending = r.Duration - x.begun.Sub(x.req.Received)
	}
	r.Err = err
	r.Header = nil
	if x.started {
		r.Header = h
	}
}

// mistake ends the exchange for a mistake of the application, which is logged:
// whoever could handle the error has finished.
func (x *exchange) mistake(err error) error {
	x.session.at.settings.Logger.Error("application error", slog.Any("error", err), x.req.LogAttr())
	x.Abort(err)
	return err
}
