package http1

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/pace"
	"github.com/asteri/asteri-loop/loop"
)

// timerKind is what the session's only timer stands for. A timer that has become
// none is left to run out and ignored then, which is cheaper than stopping it.
type timerKind uint8

const (
	timerNone timerKind = iota
	timerKeepAlive
	timerHeader
	timerBody
)

const readTimer loop.Timer = 0

// OnTimer enforces the deadline that the timer stands for.
func (s *session) OnTimer(loop.Timer) {
	kind := s.timer
	s.timer, s.timerFor = timerNone, 0
	switch kind {
	case timerNone:
		s.checkHandler()
	case timerKeepAlive:
		s.close(false)
	case timerHeader:
		if s.head == nil {
			s.close(false)
			return
		}
		s.refuse(s.head, errTimeout("head did not become complete in time"))
	case timerBody:
		s.bodyFailed(errTimeout("content did not arrive in time"))
	}
}

// arm sets the timer for what is waited for.
func (s *session) arm() {
	t := &s.at.settings.Timeouts
	switch {
	case s.phase == phaseOver:
	case s.phase == phaseBody && !s.paused && (s.x == nil || s.x.sink != nil):
		s.armBody()
	case s.paused, s.phase != phaseHead:
		s.timer = timerNone
		s.watchHandler()
	case s.head != nil:
		if s.timer != timerHeader {
			s.startTimer(timerHeader, t.Header)
		}
	case s.timer == timerNone:
		s.startTimer(timerKeepAlive, t.KeepAlive)
	}
}

func (s *session) startTimer(k timerKind, d time.Duration) {
	s.timer, s.timerFor = k, d
	s.conn.SetTimer(readTimer, d) // stops it if there is no such deadline
}

// watchHandler has a handler looked at that keeps its exchange. The timer that was left
// to run out mostly does for that.
func (s *session) watchHandler() {
	if s.x == nil || s.timer != timerNone {
		return
	}
	if limit, _ := s.x.whoseTurn(); limit > 0 && (s.timerFor <= 0 || s.timerFor > limit) {
		s.startTimer(timerNone, limit)
	}
}

// checkHandler ends the exchange of a handler whose turn it has been for too long.
func (s *session) checkHandler() {
	x := s.x
	if x == nil {
		return
	}
	limit, waits := x.whoseTurn()
	if limit <= 0 {
		return
	}
	at := s.at
	done := x.sent + s.body.received - int64(x.window)
	if left := x.turn.Look(limit, at.awake(), done, waits); left > 0 {
		s.startTimer(timerNone, left)
		return
	}
	if x.started && s.eof {
		x.expire(asteri.ErrClientGone)
		return
	}
	at.settings.Logger.Error("request timed out", x.req.LogAttr(), slog.Any("error", asteri.ErrTimeout))
	x.expire(asteri.ErrTimeout)
}

// whoseTurn returns how long the handler may take for what it has to do, 0 if nobody
// waits for it. waits says that it is the client's turn, perhaps for a while.
func (x *exchange) whoseTurn() (limit time.Duration, waits bool) {
	s := x.session
	general := s.at.settings.Timeouts.Handler
	limit = x.turn.Limit(general)
	reads := s.phase == phaseBody && x.sink != nil
	switch {
	case reads && x.window < asteri.BodyWindow:
		return cmp.Or(limit, general), true // until all has come
	case !x.started && limit <= 0 && s.eof:
		return general, true // until it has begun, which may go on then
	case !x.started:
		return limit, false
	case reads && limit > 0:
		return limit, s.conn.Queued() > 0
	case s.eof:
		return general, s.conn.Queued() > 0
	}
	return 0, false
}

// expire ends the exchange of a handler that does not.
func (x *exchange) expire(cause error) {
	x.keepAlive = false
	x.cause = cause // as in fail
	defer x.cancel(cause)
	x.Abort(cause)
}

// armBody waits for the next bytes of a body, unless they have come too slowly.
func (s *session) armBody() {
	t := &s.at.settings.Timeouts
	if (pace.Limit{Rate: t.BodyRate, Grace: t.RateGrace}).Late(s.body.received, s.bodyWaited) {
		s.bodyFailed(errTimeout("content arrives too slowly"))
		return
	}
	s.bodySince = s.at.nanos()
	s.startTimer(timerBody, t.Body)
}

func (s *session) countBodyTime() {
	s.bodyWaited += time.Duration(s.at.nanos() - s.bodySince)
}
