package exchange

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/asteri/asteri-loop"
)

// SetTimeout sets how long the handler may keep the exchange.
func (x *Exchange) SetTimeout(d time.Duration) {
	x.at.owned()
	x.turn.SetLimit(d)
	x.watch()
}

// watch has the handler looked at in time. One that is being given the exchange is when
// it has returned.
func (x *Exchange) watch() {
	if !x.serving {
		x.wire.Watch(x.CheckWithin())
	}
}

// CheckWithin implements Party.
func (x *Exchange) CheckWithin() time.Duration {
	limit, _ := x.whoseTurn()
	return limit
}

// CheckHandler implements Party.
func (x *Exchange) CheckHandler() time.Duration {
	limit, waits := x.whoseTurn()
	if limit <= 0 {
		return 0
	}
	done := x.framed + x.content + x.body.received - int64(x.body.window)
	if left := x.turn.Look(limit, x.at.Awake(), done, waits); left > 0 {
		return left
	}
	if x.state == begun && x.halfClosed() {
		x.expire(asteri.ErrClientGone)
		return 0
	}
	x.at.Settings.Logger.Error("request timed out", x.req.LogAttr(), slog.Any("error", asteri.ErrTimeout))
	x.expire(asteri.ErrTimeout)
	return 0
}

// whoseTurn returns how long the handler may take for what it has to do, 0 if nobody
// waits for it. waits says that it is the client's turn, perhaps for a while.
func (x *Exchange) whoseTurn() (limit time.Duration, waits bool) {
	general := x.at.Settings.Timeouts.Handler
	limit = x.turn.Limit(general)
	b := &x.body
	reads := b.sink != nil && !b.told && !b.closed
	switch {
	case x.Over():
		return 0, false
	case reads && !x.full():
		return cmp.Or(limit, general), true // until all has come
	case x.state == asked && limit <= 0 && x.halfClosed():
		return general, true // until it has begun, which may go on then
	case x.state == asked:
		return limit, false
	case reads && limit > 0:
		return limit, x.wire.Queued() > 0
	case x.halfClosed():
		return general, x.wire.Queued() > 0
	}
	return 0, false
}

// halfClosed tells whether the client's connection is half closed.
func (x *Exchange) halfClosed() bool { return x.cause != nil }
