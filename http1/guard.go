package http1

import (
	"log/slog"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
)

// call calls into the handler's code. A panic there ends the exchange with a
// 500, or a reset, and the server goes on.
func (x *exchange) call(c guard.Call) { c.Do(x.crashed) }

// callHandler is call for the handler itself.
func (x *exchange) callHandler() {
	guard.Serve(x.session.at.settings.Handler, x, x.crashed)
}

// crashed ends the exchange of a handler that did not return.
func (x *exchange) crashed(err *asteri.PanicError) {
	x.session.at.settings.Logger.Error("handler panicked", slog.Any("value", err.Value), x.req.LogAttr(), slog.String("stack", string(err.Stack)))
	x.kept = true
	if x.over {
		return
	}
	x.Abort(err)
	x.cancel(err) // what else the handler has going on for it
}

// SetTimeout sets how long the handler may keep the exchange. A limit that is shorter
// than what the timer was set to is looked at sooner.
func (x *exchange) SetTimeout(d time.Duration) {
	guard.Owned(x.home)
	x.turn.SetLimit(d)
	if s := x.session; s != nil && s.x == x {
		s.watchHandler()
	}
}
