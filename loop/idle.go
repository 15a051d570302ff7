package loop

import (
	"time"

	"github.com/asteri/asteri-loop/internal/system/wheel"
)

// Watchful is a Session that has a deadline for whatever it waits for, or knows that
// somebody else has one, so that IdleTimeout does not concern its connection.
type Watchful interface {
	Session
	Watchful()
}

// watchIdle starts IdleTimeout for a connection that has got its session, if that does
// not see to it itself.
func (c *conn) watchIdle() {
	c.timers[timerIdle] = 0
	limit := c.loop.idleLimit
	if limit == 0 || c.kind != accepted || c.state != stateOpen || c.keepsItself() {
		return
	}
	// From the start of the tick, but for a slot more: that is not early.
	at := c.loop.wheel.Current + limit
	c.timers[timerIdle] = at
	c.wakeBy(at)
}

// keepsItself tells whether the session may be idle for as long as it likes.
func (c *conn) keepsItself() bool {
	switch c.session.(type) {
	case Watchful, Unhurried:
		return true
	}
	return false
}

// checkIdle ends a connection that has been idle for IdleTimeout, or looks again. One
// that waits for its peer to take what is queued has WriteTimeout.
func (c *conn) checkIdle() {
	if c.state != stateOpen || c.session == nil {
		return
	}
	due := c.active + c.loop.idleLimit
	if c.ownTimer() || c.Queued() > 0 {
		due = c.loop.wheel.Current + c.loop.idleLimit
	}
	if due <= c.loop.wheel.Current {
		c.Abort(IdleExpired)
		return
	}
	c.timers[timerIdle] = due
}

// ownTimer tells whether the session has set a timer.
func (c *conn) ownTimer() bool {
	for _, at := range c.timers[:NumTimers] {
		if at != 0 {
			return true
		}
	}
	return false
}

// idleTicks is a timeout in ticks, none for one that is for ever.
func idleTicks(d time.Duration) ticks {
	if d < 0 {
		return 0
	}
	return wheel.After(0, d, slotTime) + 1
}
