package loop

import (
	"github.com/asteri/asteri-loop/internal/bounds/pace"
)

// Unhurried is a session whose peer may take what is sent as slowly as it likes, within
// WriteTimeout, since it may be idle for as long as it likes: a tunnel.
type Unhurried interface {
	Session
	Unhurried()
}

// nanos is the clock by which peers are judged: that of deadlines.
func (l *Loop) nanos() int64 { return int64(l.elapsed) + 1 }

// setBlocked waits for the peer to take bytes, but not for ever, and not for each one.
func (c *conn) setBlocked() {
	c.blocked = true
	if c.kind != accepted {
		return
	}
	cfg := &c.loop.engine.cfg
	begins := cfg.MinWriteRate > 0 && c.pace == nil
	stalls := cfg.WriteTimeout > 0 && c.timers[timerStall] == 0
	if begins || stalls {
		c.held = int32(sysHeld(c.fd))
	}
	if stalls {
		c.setTimer(timerStall, cfg.WriteTimeout)
	}
	if cfg.MinWriteRate > 0 {
		if begins {
			p := pace.Held(int(c.held))
			c.pace = &p
		}
		c.pace.Wait(c.loop.nanos())
		if c.timers[timerRate] == 0 {
			c.setTimer(timerRate, cfg.WriteGrace)
		}
	}
}

// progress is called when n bytes have gone to the system.
func (c *conn) progress(n int) {
	c.active = c.loop.wheel.Current
	if c.timers[timerStall] != 0 {
		c.timers[timerStall] = 0
	}
	if c.pace != nil {
		c.pace.Took(c.loop.nanos(), n)
	}
}

// stalled is called when the system has taken no byte for WriteTimeout. It takes more
// only when a good part of what it holds has gone, so the peer may have taken some.
func (c *conn) stalled() {
	if held := int32(sysHeld(c.fd)); held < c.held {
		c.held = held
		c.setTimer(timerStall, c.loop.engine.cfg.WriteTimeout)
		return
	}
	c.Abort(WriteStalled)
}

// checkPace ends a connection whose peer takes what waits for it too slowly.
func (c *conn) checkPace() {
	if c.pace == nil {
		return
	}
	cfg := &c.loop.engine.cfg
	if _, ok := c.session.(Unhurried); ok {
		*c.pace = pace.Held(sysHeld(c.fd))
		if c.blocked {
			c.pace.Wait(c.loop.nanos())
		}
	} else if c.pace.Look(c.loop.nanos(), sysHeld(c.fd), pace.Limit{Rate: cfg.MinWriteRate, Grace: cfg.WriteGrace}) {
		c.Abort(TooSlow)
		return
	}
	c.setTimer(timerRate, cfg.WriteGrace)
}
