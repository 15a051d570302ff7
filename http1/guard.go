package http1

import (
	"runtime/debug"

	"github.com/asteri/asteri-loop"
)

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
// 500, or a reset, and the server goes on.
func (x *exchange) call(e event) { _ = x.try(e) }

// try is call for who has more to end than the exchange: a panic is returned as a
// *PanicError.
func (x *exchange) try(e event) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = x.crashed(recover())
		}
	}()
	if e.kind == callCancel {
		x.onCancel(e.err)
	} else {
		e.run()
	}
	returned = true
	return nil
}

// run makes a call of a kind that needs no exchange.
func (e *event) run() {
	switch e.kind {
	case callBody:
		e.sink.OnBody(e.p)
	case callEnd:
		e.sink.OnEnd(e.trailer)
	case callError:
		e.sink.OnError(e.err)
	case callFunc:
		e.fn()
	}
}

// callHandler is call for the handler itself.
func (x *exchange) callHandler() {
	returned := false
	defer func() {
		if !returned {
			_ = x.crashed(recover())
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
