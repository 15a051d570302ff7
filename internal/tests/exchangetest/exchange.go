package exchangetest

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
)

// Exchange is an exchange whose client is the test. The test plays the client by
// the methods that asteri.Exchange does not have.
type Exchange struct {
	t    testing.TB
	exec *Executor
	req  *asteri.Request

	// The rest belongs to the executor.
	sink        asteri.BodySink
	bodyAsked   bool
	body        []byte                // sent by the client and not yet delivered
	bodyEnd     func(asteri.BodySink) // delivers the end
	unconsumed  int
	started     bool
	length      int64 // of the response; -1: not announced
	written     int64
	held        bool // the client does not read
	unsent      int
	onDrain     func()
	onCancel    func(error)
	onShutdown  func() // of the tunnel
	cancelCause error
	kept        bool
	result      Result
	reserved    atomic.Int64
	timeout     time.Duration
	ended       atomic.Bool
	done        chan struct{} // closed when the exchange has ended
}

var _ asteri.Exchange = (*Exchange)(nil)

// Result is what the client got.
type Result struct {
	// Status is 0 if no response was started.
	Status  int
	Header  *asteri.Header
	Body    []byte
	Trailer *asteri.Header
	// Interim are the statuses of interim responses.
	Interim []int
	// Err is the cause if the exchange was aborted.
	Err error
	// Kept tells that the handler used what keeps an exchange from reuse.
	Kept bool
}

// New makes an exchange. In r, an empty method stands for GET, an empty target
// for "/"; what the protocol derives from these is filled in.
func New(t testing.TB, e *Executor, r asteri.Request) *Exchange {
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Target == nil {
		r.Target = []byte("/")
	}
	if r.Path == nil {
		r.Path, r.Query, _ = bytes.Cut(r.Target, []byte("?"))
	}
	if r.Route == nil {
		r.Route, r.Ambiguous = urlpath.Normal(r.Path)
	}
	if r.Proto == 0 {
		r.Proto = asteri.HTTP11
	}
	if r.Scheme == "" {
		r.Scheme = "http"
	}
	if r.Authority == nil {
		r.Authority = []byte("test.example")
	}
	if r.Peer == nil {
		r.Peer = &asteri.Peer{
			Network: "tcp",
			Remote:  netip.MustParseAddrPort("192.0.2.1:40000"),
			Local:   netip.MustParseAddrPort("192.0.2.2:80"),
		}
	}
	r.Received = time.Now()
	return &Exchange{t: t, exec: e, req: &r, length: -1, done: make(chan struct{})}
}

// Get makes an exchange for a GET request.
func Get(t testing.TB, e *Executor, target string) *Exchange {
	return New(t, e, asteri.Request{Target: []byte(target)})
}

// Serve has h answer the exchange and returns when ServeExchange has returned.
func (x *Exchange) Serve(h asteri.Handler) {
	x.t.Helper()
	x.exec.Do(func() { h.ServeExchange(x) })
}

// Request is part of asteri.Exchange, as are the following methods.
func (x *Exchange) Request() *asteri.Request { return x.req }

// Reserve counts memory; Reserved tells how much is held.
func (x *Exchange) Reserve(n int) { x.reserved.Add(int64(n)) }

// Reserved returns the bytes that the handler has counted by Reserve. It may be called
// from any goroutine.
func (x *Exchange) Reserved() int64 { return x.reserved.Load() }

// ReadBody starts the delivery of what the client has sent and will send.
func (x *Exchange) ReadBody(sink asteri.BodySink) {
	x.check("ReadBody")
	if x.bodyAsked {
		x.t.Error("ReadBody called twice")
	}
	x.bodyAsked, x.kept = true, true
	x.sink = sink
	if !x.req.HasBody() && x.bodyEnd == nil {
		x.bodyEnd = func(s asteri.BodySink) { s.OnEnd(nil) }
	}
	x.deliver()
}

// Consumed gives back part of the window.
func (x *Exchange) Consumed(n int) {
	x.check("Consumed")
	x.unconsumed -= n
	if x.unconsumed < 0 {
		x.t.Error("more body consumed than was delivered")
	}
	x.exec.Post(x.deliver) // as sessions do: never from within
}

// deliver hands the sink what its window allows.
func (x *Exchange) deliver() {
	sink := x.sink
	if sink == nil || x.ended.Load() {
		return
	}
	for len(x.body) > 0 && x.unconsumed < asteri.BodyWindow {
		piece := x.body[:min(len(x.body), asteri.BodyWindow-x.unconsumed, 16<<10)]
		x.body = x.body[len(piece):]
		x.unconsumed += len(piece)
		lent := bytes.Clone(piece)
		sink.OnBody(lent)
		for i := range lent {
			lent[i] = 0xDD // what a sink kept beyond its call must not be right by chance
		}
	}
	if end := x.bodyEnd; end != nil && len(x.body) == 0 {
		x.sink, x.bodyEnd = nil, nil
		end(sink)
	}
}

// Inform notes an interim response.
func (x *Exchange) Inform(status int, _ *asteri.Header) error {
	x.check("Inform")
	if x.ended.Load() {
		return asteri.ErrClosed
	}
	if status < 100 || status > 199 || status == 101 || x.started {
		return &asteri.ResponseError{Reason: "interim response out of order"}
	}
	x.result.Interim = append(x.result.Interim, status)
	return nil
}

// Start begins the response.
func (x *Exchange) Start(status int, h *asteri.Header) error {
	x.check("Start")
	if x.ended.Load() {
		return asteri.ErrClosed
	}
	length, err := x.judge(h)
	if err != nil {
		x.Abort(err)
		return err
	}
	x.start(status, h, length)
	return nil
}

// judge returns the length that a header announces, or what is wrong with it.
func (x *Exchange) judge(h *asteri.Header) (length int64, err error) {
	if x.started {
		return 0, &asteri.ResponseError{Reason: "response started twice"}
	}
	length = -1
	for _, f := range h.Fields() {
		switch {
		case bytes.ContainsAny(f.Name, " :\r\n") || bytes.ContainsAny(f.Value, "\r\n\x00"):
			return 0, &asteri.ResponseError{Reason: "field outside the grammar", Name: string(f.Name)}
		case asteri.EqualFold(f.Name, "connection"), asteri.EqualFold(f.Name, "transfer-encoding"):
			return 0, &asteri.ResponseError{Reason: "connection-specific field", Name: string(f.Name)}
		case asteri.EqualFold(f.Name, "content-length"):
			n, err := strconv.ParseInt(string(f.Value), 10, 64)
			if err != nil || n < 0 || length >= 0 {
				return 0, &asteri.ResponseError{Reason: "bad Content-Length", Name: string(f.Name)}
			}
			length = n
		}
	}
	return length, nil
}

func (x *Exchange) start(status int, h *asteri.Header, length int64) {
	x.started, x.length = true, length
	x.result.Status = status
	x.result.Header = h.Clone()
}

// hasContent tells whether the response may have content (RFC 9110 section 6.4.1).
func (x *Exchange) hasContent() bool {
	return x.req.Method != "HEAD" && x.result.Status != 204 && x.result.Status != 304
}

// Write adds to the response content.
func (x *Exchange) Write(p []byte) (int, error) {
	x.check("Write")
	switch {
	case x.ended.Load():
		return 0, asteri.ErrClosed
	case !x.started:
		return 0, &asteri.ResponseError{Reason: "content before Start"}
	}
	x.written += int64(len(p))
	if !x.hasContent() {
		return x.unsent, nil
	}
	if x.length >= 0 && x.written > x.length {
		err := &asteri.ResponseError{Reason: "more content than announced"}
		x.end(err)
		return 0, err
	}
	x.result.Body = append(x.result.Body, p...)
	if x.held {
		x.unsent += len(p)
	}
	return x.unsent, nil
}

// SendFile adds part of a file to the response content.
func (x *Exchange) SendFile(f asteri.File, off, n int64) error {
	x.check("SendFile")
	defer f.Close()
	p := make([]byte, n)
	if _, err := f.ReadAt(p, off); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := x.Write(p)
	return err
}

// OnDrain sets who is told when the client has read.
func (x *Exchange) OnDrain(fn func()) {
	x.check("OnDrain")
	x.onDrain = fn
	if x.unsent < asteri.LowWater {
		x.exec.Post(x.drained)
	}
}

func (x *Exchange) drained() {
	if fn := x.onDrain; fn != nil && x.unsent < asteri.LowWater && !x.ended.Load() {
		x.onDrain = nil
		fn()
	}
}

// Finish ends the response.
func (x *Exchange) Finish(trailer *asteri.Header) error {
	x.check("Finish")
	if x.ended.Load() {
		return asteri.ErrClosed
	}
	if !x.started {
		x.start(500, nil, 0)
	}
	x.result.Trailer = trailer.Clone()
	if x.length > x.written && x.hasContent() {
		err := &asteri.ResponseError{Reason: "less content than announced"}
		x.end(err)
		return err
	}
	x.end(nil)
	return nil
}

// Respond answers in one call.
func (x *Exchange) Respond(status int, h *asteri.Header, body []byte) error {
	whole := h.Clone()
	whole.AddInt("Content-Length", int64(len(body)))
	if err := x.Start(status, whole); err != nil {
		return err
	}
	if _, err := x.Write(body); err != nil {
		return err
	}
	return x.Finish(nil)
}

// OnCancel sets who is told when the client goes.
func (x *Exchange) OnCancel(fn func(error)) {
	x.check("OnCancel")
	x.onCancel, x.kept = fn, true
	if cause := x.cancelCause; cause != nil {
		x.exec.Post(func() { fn(cause) })
	}
}

// Abort ends the exchange with an error response, or a reset.
func (x *Exchange) Abort(cause error) {
	x.check("Abort")
	if x.ended.Load() {
		return
	}
	if !x.started {
		status := 500
		var refusal *asteri.StatusError
		if errors.As(cause, &refusal) {
			status = refusal.Code
		}
		x.start(status, nil, 0)
	}
	x.end(cause)
}

// SetTimeout notes a limit; Timeout returns it.
func (x *Exchange) SetTimeout(d time.Duration) {
	x.check("SetTimeout")
	x.timeout = d
}

// Timeout returns what the handler has set by SetTimeout.
func (x *Exchange) Timeout() (d time.Duration) {
	x.t.Helper()
	x.exec.Do(func() { d = x.timeout })
	return d
}

// Post runs fn on the executor.
func (x *Exchange) Post(fn func()) bool {
	return !x.ended.Load() && x.exec.Post(func() { x.kept = true; fn() })
}

// Home returns the executor.
func (x *Exchange) Home() asteri.Executor { return x.exec }

func (x *Exchange) end(err error) {
	x.result.Err, x.result.Kept = err, x.kept
	x.ended.Store(true)
	close(x.done)
}

func (x *Exchange) check(method string) {
	x.t.Helper()
	x.exec.check(method)
}
