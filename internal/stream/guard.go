package stream

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
func (x *Exchange) call(e event) {
	returned := false
	defer func() {
		if !returned {
			x.crashed(recover())
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
}

// callHandler is call for the handler itself.
func (x *Exchange) callHandler() {
	returned := false
	defer func() {
		if !returned {
			x.crashed(recover())
		}
	}()
	x.at.Settings.Handler.ServeExchange(x)
	returned = true
}

// crashed ends the exchange, or its tunnel, of a handler that panicked, or that
// ended the home's goroutine by runtime.Goexit: then there is no value, and the
// home sees to itself.
func (x *Exchange) crashed(value any) {
	err := &asteri.PanicError{Value: value, Stack: debug.Stack()}
	x.at.Settings.Logger.Error("handler panicked", "value", value,
		"method", x.req.Method, "path", string(x.req.Path), "stack", string(err.Stack))
	x.kept = true
	if t := x.tunnelled; t != nil {
		t.Abort(err)
		return
	}
	x.Abort(err)
}
