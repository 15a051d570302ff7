package http1

import (
	"time"

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
	s.timer = timerNone
	switch kind {
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
	case s.paused:
		s.timer = timerNone
	case s.phase == phaseBody && (s.x == nil || s.x.sink != nil):
		s.armBody()
	case s.phase != phaseHead:
		s.timer = timerNone
	case s.head != nil:
		if s.timer != timerHeader {
			s.startTimer(timerHeader, t.Header)
		}
	case s.timer == timerNone:
		s.startTimer(timerKeepAlive, t.KeepAlive)
	}
}

func (s *session) startTimer(k timerKind, d time.Duration) {
	s.timer = k
	s.conn.SetTimer(readTimer, d) // stops it if there is no such deadline
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
