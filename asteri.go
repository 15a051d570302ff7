// Package asteri is the contract between protocols and applications.
//
// A protocol session (of http1, http2 or http3) turns the bytes of a connection into
// exchanges and hands them to a Handler. A handler is anything that answers
// exchanges: a Go function, one of the worker models of package workers, or a pool of
// Python processes.
//
// Every exchange has one owner, the Executor that Exchange.Home returns: the
// event loop of its connection. Unless a method says otherwise, all methods of
// an Exchange and all callbacks given to it run on that executor's goroutine.
// Exchange.Post is the one door for other goroutines.
package asteri

import (
	"io"
	"time"
)

// Handler answers exchanges.
//
// ServeExchange is called on the exchange's executor and must not block: it
// answers at once, or it keeps the exchange and answers later from a callback
// or a function given to Exchange.Post. A handler that returns without having
// answered has kept the exchange, and must see to it that Finish or Abort is
// called in the end; Timeouts.Handler is the deadline for that. If it panics, in
// ServeExchange or in a callback, the exchange is aborted with a *PanicError.
type Handler interface {
	ServeExchange(x Exchange)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(x Exchange)

// ServeExchange calls f.
func (f HandlerFunc) ServeExchange(x Exchange) { f(x) }

// File is content in a file: an *os.File, or one of several holds on it.
type File interface {
	io.ReaderAt
	// Fd returns the descriptor, which stays open until Close.
	Fd() uintptr
	Close() error
}

// Executor runs functions one at a time, in order, on one goroutine. Executors
// are comparable: two exchanges with equal homes may touch each other's state.
type Executor interface {
	// Post queues fn to run on the executor. It may be called from any
	// goroutine, never blocks, and never drops for fullness (who posts
	// bounds what it posts). It returns false when the executor has ended
	// and fn will not run.
	Post(fn func()) bool
}

// Exchange is one request and its response.
//
// An exchange that was finished before ServeExchange returned, and whose Post,
// OnCancel and ReadBody were never used, may be reused by the session for the
// next request: such a handler must not keep it, its Request, or any slice
// taken from them. An exchange that was kept is not reused, and its slices stay
// valid for as long as they are referenced, unless its handler releases it: see
// Releaser.
type Exchange interface {
	// Request returns the request. It does not change, except that its
	// body is read by ReadBody.
	Request() *Request

	// ReadBody starts the delivery of the request body to sink, which ends
	// with exactly one of OnEnd and OnError. It may be called once, also for
	// a request without a body (OnEnd is then called before it returns). It
	// sends 100 (Continue) first if the client waits for it (RFC 9110
	// section 10.1.1). Body bytes that a handler never asks for are discarded
	// within a bound, after which the connection is closed.
	ReadBody(sink BodySink)

	// Consumed gives back n bytes of the body window: at most BodyWindow
	// bytes are delivered to the sink and not yet consumed at any time. A
	// handler that gives back none holds its client up, and is given up itself
	// after Timeouts.Handler. ReadAll sees to it by itself.
	Consumed(n int)

	// Inform sends an interim (1xx) response, except 101. It may be called
	// several times before Start, and does nothing for a client that cannot
	// take one (HTTP/1.0).
	Inform(status int, h *Header) error

	// Start begins the final response: status is 200 to 599. The session
	// copies h (nil is an empty one), chooses the framing, and adds Date and
	// Server where they are absent. It returns a *ResponseError if the header
	// cannot be sent as it is: bytes outside the field grammar, a second
	// Content-Length, a connection-specific field; or if the response has
	// begun already. The mistake is logged and the exchange aborted, so that
	// the client of a handler which does not look at the error is answered too:
	// by 500, or by a reset within a response.
	Start(status int, h *Header) error

	// Write queues a copy of p as response content and returns how many
	// bytes wait to be sent to the client. A handler that finds HighWater or
	// more queued should wait for OnDrain: one that writes on until
	// loop.Config.MaxQueued is reached aborts the exchange and gets a
	// *ResponseError. So does one that writes more than the Content-Length.
	// Content written in answer to HEAD, or for a status without content,
	// is counted and dropped.
	Write(p []byte) (queued int, err error)

	// SendFile queues n bytes of f from offset off as response content.
	// It takes over f and closes it once it is sent or dropped, also when
	// it returns an error: a *ResponseError if f is nil, n or off is negative,
	// or there is more than the Content-Length. A file that turns out to be
	// shorter aborts the exchange.
	SendFile(f File, off, n int64) error

	// OnDrain sets the function to call, once, when the queue has fallen
	// below LowWater. If it is already below, fn is called before the
	// executor handles its next event, never from within OnDrain.
	OnDrain(fn func())

	// Finish ends the response; trailer may be nil. A response that was not
	// started is answered 500. Content shorter than the announced
	// Content-Length aborts the exchange: the client sees a reset, never a
	// clean end.
	Finish(trailer *Header) error

	// Respond answers in one call: Start with h and a Content-Length of
	// len(body), Write, Finish. h must not hold a Content-Length. Whatever it
	// returns, the exchange has ended.
	Respond(status int, h *Header, body []byte) error

	// Upgrade ends HTTP on this connection (or stream) and returns the
	// tunnel that remains. h holds the response's fields and names, as
	// Upgrade, the protocol that the client offered: in its Upgrade field,
	// answered with 101, or as Request.Protocol, answered with 200 and
	// without the field (HTTP/2 and later know no Upgrade).
	Upgrade(h *Header) (Tunnel, error)

	// Reserve counts n bytes of memory that the handler holds on behalf of the
	// client; a negative n gives them back, at the latest when the handler lets go
	// of the exchange, which may have ended by then. It does not fail. When
	// the server's memory is used up, the clients that hold the most are given up:
	// their exchanges are answered 503, or cancelled.
	Reserve(n int)

	// OnCancel sets the function to call, once, when nobody waits for the
	// answer any more: the client reset the connection or stream, a deadline
	// passed, a call of the handler panicked, or the server is stopping hard. Cause ErrHalfClosed says
	// only that the client sends nothing more; it may still read, and the
	// answer is still sent if one is made. A later, harder cause is then
	// reported too. If the exchange is cancelled already, fn is called
	// before the executor handles its next event.
	//
	// A handler that goes on working then still calls Finish or Abort when it is
	// done, which return at once: over HTTP/2 and HTTP/3 the request counts as
	// one of its client's open ones until then, for half a minute at most.
	OnCancel(fn func(cause error))

	// Abort ends the exchange without a clean end: an error response if
	// nothing was sent yet (the status of a *StatusError cause, else 500),
	// a reset of the connection or stream otherwise. A *ResponseError is logged.
	Abort(cause error)

	// SetTimeout sets for how long the handler may keep the client waiting for
	// its response to begin, in place of Timeouts.Handler, which says what
	// counts. A negative d is for ever, 0 the default. The time that has passed
	// since the request came, or the client last had to act, counts already.
	SetTimeout(d time.Duration)

	// Post runs fn on the exchange's executor. It may be called from any
	// goroutine. It returns false, and fn will not run, once the exchange
	// has ended. fn may still find the exchange ended when it runs later:
	// its calls then return ErrClosed.
	Post(fn func()) bool

	// Home returns the executor that owns this exchange. It may be called
	// from any goroutine.
	Home() Executor
}

// Releaser is an Exchange that a handler which kept it can give back: one that answers
// many small requests later saves the making of a new exchange for each.
type Releaser interface {
	// Release says, after the exchange's end and on its executor, that the handler
	// keeps nothing of it: not the exchange, its Request, or a slice taken from
	// them. The session uses it again, and calls nothing that it was given any more,
	// or leaves it as it is and returns false.
	Release() bool
}

// BodySink takes a request body.
type BodySink interface {
	// OnBody takes the next bytes. They live until it returns.
	OnBody(p []byte)
	// OnEnd says that the body is complete. trailer is nil without trailers.
	OnEnd(trailer *Header)
	// OnError says that the body will not be completed.
	OnError(err error)
}

// Tunnel is a two-way byte stream that took the place of an exchange. It has
// the exchange's executor and the same rules.
type Tunnel interface {
	// Read sets the sink for incoming bytes, under the same window as a
	// request body. OnEnd means that the peer half-closed. The sink may change
	// the bytes that it is given.
	Read(sink BodySink)
	Consumed(n int)
	Write(p []byte) (queued int, err error)
	OnDrain(fn func())
	// OnShutdown sets the function to call, once, when the server begins a
	// graceful stop: the handler says goodbye in its protocol and closes. If
	// that has begun already, fn is called before the executor handles its
	// next event.
	OnShutdown(fn func())
	// Reserve counts memory that the handler holds, as that of an Exchange does.
	Reserve(n int)
	// Close closes the tunnel once all that was written is sent.
	Close()
	Abort(cause error)
	Post(fn func()) bool
	Home() Executor
}

// Water marks and windows, in bytes. They are the same for all protocols so
// that a handler can rely on them.
const (
	// BodyWindow bounds body bytes delivered to a sink and not yet consumed.
	BodyWindow = 64 << 10
	// HighWater is the number of queued response bytes at which a handler
	// should stop writing.
	HighWater = 256 << 10
	// LowWater is the number of queued response bytes below which OnDrain
	// functions are called.
	LowWater = 64 << 10
)
