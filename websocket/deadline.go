package websocket

import (
	"time"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// What a connection does when its deadline has passed; see clock.go.

// watchPeer sets the deadline of a connection that is open: for a ping, if there
// are to be any, or for leaving. A peer that sends no more answers no ping: then the
// deadline is for the handler, which may not take for ever.
func (c *Conn) watchPeer() {
	if c.ended {
		c.setDeadline(c.server.options.CloseTimeout)
		return
	}
	d := c.server.options.PingInterval
	if c.pinged {
		d = c.server.options.PingTimeout
	}
	if d > 0 && c.server.options.PingTimeout > 0 {
		c.setDeadline(d)
	} else if c.draining {
		c.home.set(c, c.leaveAt)
	}
}

func (c *Conn) setDeadline(d time.Duration) {
	c.heard = false
	at := c.home.after(d)
	if c.draining && c.state == open {
		at = min(at, c.leaveAt)
	}
	c.home.set(c, at)
}

// onDeadline runs when the deadline has passed, unless it was set anew by then.
func (c *Conn) onDeadline() {
	switch {
	case c.timer.At() != 0:
	case c.state == over && c.backlog != nil:
		c.dropBacklog()
		c.server.counts.stalled.Add(1)
		c.tunnel.Abort(errStalled)
	case c.state == over:
	case c.state == failing:
		c.goDown()
	case c.state == closing:
		c.server.counts.notAnswered.Add(1)
		c.Abort(errNotAnswered)
	case c.draining && c.due >= c.leaveAt:
		c.leave()
	case c.ended && !c.heard:
		c.finish(Closure{Code: Abnormal})
	case c.heard || c.unread():
		// A peer whose messages wait for the application is not to be blamed.
		c.watchPeer()
	case c.pinged:
		c.server.counts.silent.Add(1)
		c.sendClose(InternalError, "keepalive ping timeout")
		c.finish(Closure{Code: Abnormal})
	default:
		c.pinged = true
		c.rest()
		c.send(ws.Ping, nil)
		c.watchPeer()
	}
}

// rest lets go of what only speeds up a connection in use.
func (c *Conn) rest() {
	if c.deflater != nil {
		c.deflater.Rest()
	}
}

// leaveBefore is how long before the end of the server's grace connections are
// closed that have lived on until then, so that peers can still answer.
const leaveBefore = time.Second

// onShutdown begins the end of a connection whose server stops.
func (c *Conn) onShutdown() { c.Drain(c.server.options.Linger, c.server.options.Grace) }

// Drain has the connection closed because what serves it stops: with 1012 when
// linger is over, or with 1001 (going away) shortly before the end of grace, if
// that comes first.
func (c *Conn) Drain(linger, grace time.Duration) {
	if c.state != open {
		return
	}
	if linger <= 0 {
		c.Close(ServiceRestart, "")
		return
	}
	leave := linger
	if latest := max(grace-leaveBefore, 0); linger >= latest {
		leave, c.goingAway = latest, true
	}
	c.draining = true
	c.leaveAt = c.home.after(leave)
	if c.timer.At() == 0 || c.due > c.leaveAt {
		c.home.set(c, c.leaveAt)
	}
}

func (c *Conn) leave() {
	code := ServiceRestart
	if c.goingAway {
		code = GoingAway
	}
	c.Close(code, "")
}
