package http1

import (
	"time"

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

// partingTime is how long a connection on which nothing is under way lives on when another
// process serves in the place of this one.
const partingTime = 2 * time.Second

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
		s.checkBody()
	}
}

// arm sets the timer for what is waited for.
func (s *session) arm() {
	t := &s.at.Settings.Timeouts
	switch {
	case s.phase == phaseOver:
	case s.phase == phaseBody && !s.paused && s.x == nil:
		s.armDiscard()
	case s.phase == phaseBody && !s.paused && s.x.Awaits():
		s.startTimer(timerBody, t.Body)
	case s.paused, s.phase != phaseHead:
		s.timer = timerNone
		if s.x != nil {
			s.watchHandler(s.x.CheckWithin())
		}
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

// part gives a client that has nothing under way a last chance to ask.
func (s *session) part() {
	d := partingTime
	if t := s.at.Settings.Timeouts.KeepAlive; t > 0 {
		d = min(d, t)
	}
	s.startTimer(timerKeepAlive, d)
}

// watchHandler has a handler looked at that keeps its exchange. The timer that was left
// to run out mostly does for that.
func (s *session) watchHandler(limit time.Duration) {
	if s.timer == timerNone && limit > 0 && (s.timerFor <= 0 || s.timerFor > limit) {
		s.startTimer(timerNone, limit)
	}
}

// checkHandler ends the exchange of a handler whose turn it has been for too long.
func (s *session) checkHandler() {
	if x := s.x; x != nil {
		if left := x.CheckHandler(); left > 0 {
			s.startTimer(timerNone, left)
		}
	}
}

// checkBody ends a body of which nothing has come for too long.
func (s *session) checkBody() {
	x := s.x
	if x == nil {
		s.close(true)
		return
	}
	if left := x.CheckBody(); left > 0 {
		s.startTimer(timerBody, left)
	}
	s.dropFailed()
}

// armDiscard waits for the next bytes of a body that nobody wants, unless they have come
// too slowly.
func (s *session) armDiscard() {
	if s.wait.Slow(s.at.Local, int64(s.discarded)) {
		s.close(true)
		return
	}
	s.wait.Begin(s.at.Local)
	s.startTimer(timerBody, s.at.Settings.Timeouts.Body)
}
