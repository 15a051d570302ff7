package stream

import (
	"log/slog"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
)

// call calls into the handler's code. A panic there ends the exchange with a
// 500, or a reset, and the server goes on.
func (x *Exchange) call(c guard.Call) { c.Do(x.crashed) }

// callHandler is call for the handler itself.
func (x *Exchange) callHandler() {
	guard.Serve(x.at.Settings.Handler, x, x.crashed)
}

// crashed ends the exchange, or its tunnel, of a handler that did not return.
func (x *Exchange) crashed(err *asteri.PanicError) {
	x.at.Settings.Logger.Error("handler panicked", slog.Any("value", err.Value), x.req.LogAttr(), slog.String("stack", string(err.Stack)))
	x.kept = true
	if t := x.tunnelled; t != nil {
		t.Abort(err)
		return
	}
	if x.over {
		return
	}
	x.Abort(err)
	x.cancelled(err) // what else the handler has going on for it
}
