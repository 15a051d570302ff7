package http1

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// ReadBody begins the delivery of the request body.
func (x *exchange) ReadBody(sink asteri.BodySink) {
	x.kept = true
	switch {
	case x.over:
		x.call(event{kind: callError, sink: sink, err: x.endCause()})
		return
	case x.sink != nil:
		x.call(event{kind: callError, sink: sink, err: misuse("the body is being read already")})
		return
	}
	x.sink = sink
	s := x.session
	switch {
	case s.phase == phaseDrop:
		x.failBody(asteri.ErrHalfClosed)
		return
	case s.body.done():
		x.endBody(nil)
		return
	case x.expects100 && !x.started:
		x.send(continueLine)
	}
	x.expects100 = false
	if !s.inData {
		s.resume()
		s.arm()
	}
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

func (x *exchange) endCause() error {
	if x.cause != nil {
		return x.cause
	}
	return asteri.ErrClosed
}

// Consumed gives back a part of the body window.
func (x *exchange) Consumed(n int) {
	x.window -= n
	if s := x.session; s != nil && s.x == x && s.phase == phaseBody && !s.inData && x.window < asteri.BodyWindow {
		s.resume()
		s.arm()
	}
}

func (x *exchange) deliver(p []byte) {
	x.window += len(p)
	x.call(event{kind: callBody, sink: x.sink, p: p})
}

// endBody and failBody make the last call of the sink.
func (x *exchange) endBody(trailer *asteri.Header) {
	if x.sink != nil && !x.bodyEnded {
		x.bodyEnded = true
		x.call(event{kind: callEnd, sink: x.sink, trailer: trailer})
	}
}

func (x *exchange) failBody(err error) {
	if x.sink != nil && !x.bodyEnded {
		x.bodyEnded = true
		x.call(event{kind: callError, sink: x.sink, err: err})
	}
}

// OnCancel sets the function to call when nobody waits any more.
func (x *exchange) OnCancel(fn func(cause error)) {
	x.kept = true
	x.onCancel = fn
	if x.cause != nil && fn != nil {
		cause := x.cause
		x.home.Post(func() { x.call(event{kind: callCancel, err: cause}) })
	}
}

// cancel reports that nobody waits for the answer any more, or may not.
func (x *exchange) cancel(cause error) {
	x.cause = cause
	if x.onCancel != nil {
		x.call(event{kind: callCancel, err: cause})
	}
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
		x.kept = true
		x.home.Post(x.drained)
	}
}

func (x *exchange) drained() {
	if fn := x.onDrain; fn != nil && !x.over && !x.session.high {
		x.onDrain = nil
		x.call(event{kind: callFunc, fn: fn})
	}
}

// goneCause puts the loop's reason for a connection's end into the words of the
// handler contract.
func goneCause(cause error) error {
	switch {
	case errors.Is(cause, loop.PeerClosed):
		return asteri.ErrClientGone
	case errors.Is(cause, loop.DrainExpired):
		return asteri.ErrStopping
	}
	return fmt.Errorf("%w: %w", asteri.ErrClientGone, cause)
}

// event is a call into the handler's code.
type event struct {
	kind    eventKind
	sink    asteri.BodySink
	p       []byte
	trailer *asteri.Header
	err     error
	fn      func()
}

type eventKind uint8

const (
	callBody eventKind = iota
	callEnd
	callError
	callCancel
	callFunc
)

// call calls into the handler's code. A panic there ends the exchange with a
// 500, or a reset, and the server goes on; it is returned as a *PanicError.
func (x *exchange) call(e event) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = x.crashed(recover())
		}
	}()
	switch e.kind {
	case callBody:
		e.sink.OnBody(e.p)
	case callEnd:
		e.sink.OnEnd(e.trailer)
	case callError:
		e.sink.OnError(e.err)
	case callCancel:
		x.onCancel(e.err)
	case callFunc:
		e.fn()
	}
	returned = true
	return nil
}

// callHandler is call for the handler itself.
func (x *exchange) callHandler() {
	returned := false
	defer func() {
		if !returned {
			x.crashed(recover())
		}
	}()
	x.session.at.settings.Handler.ServeExchange(x)
	returned = true
}

// crashed ends the exchange of a handler that panicked, or that ended the loop's
// goroutine by runtime.Goexit: then there is no value, and the loop sees to
// itself.
func (x *exchange) crashed(value any) error {
	err := &asteri.PanicError{Value: value, Stack: debug.Stack()}
	x.session.at.settings.Logger.Error("handler panicked", "value", value,
		"method", x.req.Method, "path", string(x.req.Path), "stack", string(err.Stack))
	x.kept = true
	x.Abort(err)
	return err
}
