package stream

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
)

// SetTimeout sets how long the handler may keep the exchange.
func (x *Exchange) SetTimeout(d time.Duration) {
	guard.Owned(x.at.Home)
	x.turn.SetLimit(d)
	x.watch()
}

// watch has the handler looked at in time. One that is being given the exchange is when
// it has returned.
func (x *Exchange) watch() {
	if !x.serving {
		x.wire.Watch(x.Patience())
	}
}

// Patience returns within which time CheckHandler is to be called for an exchange that
// its handler has kept, or a tunnel; 0 for not at all.
func (x *Exchange) Patience() time.Duration {
	limit, _ := x.whoseTurn()
	return limit
}

// CheckHandler ends the exchange of a handler that has kept it and whose turn it has
// been for too long. It returns how long from now to look again, 0 for not before
// something new has happened.
func (x *Exchange) CheckHandler() time.Duration {
	limit, waits := x.whoseTurn()
	if limit <= 0 {
		return 0
	}
	done := x.headBytes + x.content + x.in.received - int64(x.in.window)
	if x.tunnelled != nil {
		done = x.tunnelled.out
	}
	left := x.turn.Look(limit, x.at.Awake(), done, waits)
	if left > 0 {
		return left
	}
	switch t := x.tunnelled; {
	case t != nil:
		t.Abort(asteri.ErrClientGone)
	case x.started && x.halfClosed():
		x.expire(asteri.ErrClientGone)
	default:
		x.at.Settings.Logger.Error("request timed out", x.req.LogAttr(), slog.Any("error", asteri.ErrTimeout))
		x.expire(asteri.ErrTimeout)
	}
	return 0
}

func (x *Exchange) expire(cause error) {
	x.cause = cause // as in Cancel
	defer x.cancelled(cause)
	x.Abort(cause)
}

// whoseTurn returns how long the handler may take for what it has to do, 0 if nobody
// waits for it. waits says that it is the client's turn, perhaps for a while.
func (x *Exchange) whoseTurn() (limit time.Duration, waits bool) {
	general := x.at.Settings.Timeouts.Handler
	in := &x.in
	reads := in.sink != nil && !in.told && !in.closed
	switch t := x.tunnelled; {
	case t != nil:
		if !in.ended || t.over.Load() {
			return 0, false
		}
		return general, x.wire.Queued() > 0
	case x.over:
		return 0, false
	case reads && !x.full():
		return cmp.Or(x.turn.Limit(general), general), true // until all has come
	case !x.started:
		limit = x.turn.Limit(general)
		if limit <= 0 && x.halfClosed() { // until it has begun, which may go on then
			return general, true
		}
		return limit, false
	case reads:
		return x.turn.Limit(general), x.wire.Queued() > 0
	case x.halfClosed():
		return general, x.wire.Queued() > 0
	}
	return 0, false
}

// halfClosed tells whether the client's connection is half closed.
func (x *Exchange) halfClosed() bool { return x.cause != nil }
