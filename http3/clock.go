package http3

import (
	"time"
)

// clock is a session's deadlines: the idle time, the bodies that are awaited, and a
// step of the goodbye. One timer serves them all; it is let run out rather than set
// anew for each request.
type clock struct {
	timer *time.Timer
	due   time.Duration // when it runs out, by the clock of deadlines; 0 if it does not run

	idle   time.Duration // when the session has been idle for too long; 0: it is not idle
	bodies bool          // content is awaited on some stream
	looks  time.Duration // when handlers that keep their exchanges are looked at; 0: not
	step   time.Duration
	next   func()
}

// in has the clock looked at within d.
func (c *clock) in(n *session, d time.Duration) {
	due := n.at.Awake() + d
	if n.lost != nil || c.due != 0 && due >= c.due {
		return
	}
	c.due = due
	if c.timer == nil {
		c.timer = time.AfterFunc(d, func() { n.at.Home.Post(n.tick) })
		return
	}
	c.timer.Reset(d)
}

// after has fn called on the home after d, in place of an earlier one.
func (c *clock) after(n *session, d time.Duration, fn func()) {
	c.step, c.next = n.at.Awake()+d, fn
	c.in(n, d)
}

func (c *clock) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.next = nil
}

// becomeIdle begins the keep-alive time.
func (n *session) becomeIdle() {
	if n.lost != nil || len(n.streams.Open) > 0 {
		return
	}
	if n.goodbye.said {
		n.closeSoon()
		return
	}
	if n.at.Settings.NoKeepAlive && n.next > 0 {
		n.shutdown()
		return
	}
	if d := n.timeouts().KeepAlive; d > 0 {
		n.clock.idle = n.at.Awake() + d
		n.clock.in(n, d)
	}
}

// awaitBody has the deadlines of bodies watched.
func (n *session) awaitBody() {
	if d := n.timeouts().Body; d > 0 {
		n.clock.bodies = true
		n.clock.in(n, d)
	}
}

// tick is called when the timer has run out.
func (n *session) tick() {
	c := &n.clock
	c.due = 0
	if n.lost != nil {
		return
	}
	now := n.at.Awake()
	if c.next != nil {
		if left := c.step - now; left > 0 {
			c.in(n, left)
		} else {
			next := c.next
			c.next = nil
			next()
		}
	}
	n.checkIdle(now)
	n.checkBodies()
	n.checkHandlers(now)
	n.checkWork(now)
}

// checkIdle announces the end to a client that has asked for nothing.
func (n *session) checkIdle(now time.Duration) {
	c := &n.clock
	switch {
	case len(n.streams.Open) > 0 || c.idle == 0 || n.stopping:
	case now < c.idle:
		c.in(n, c.idle-now)
	default:
		n.shutdown()
	}
}

// watchHandlers has handlers looked at within d: one of them may be late then.
func (n *session) watchHandlers(d time.Duration) {
	if d <= 0 {
		return
	}
	if at := n.at.Awake() + d; n.clock.looks == 0 || at < n.clock.looks {
		n.clock.looks = at
		n.clock.in(n, d)
	}
}

// checkHandlers ends exchanges whose handlers are late.
func (n *session) checkHandlers(now time.Duration) {
	c := &n.clock
	switch {
	case c.looks == 0:
		return
	case now < c.looks:
		c.in(n, c.looks-now)
		return
	}
	c.looks = 0
	n.streams.Each(func(st *serverStream) {
		if st.state != streamClosed {
			n.watchHandlers(st.party.CheckHandler())
		}
	})
}

func (n *session) checkBodies() {
	if !n.clock.bodies {
		return
	}
	n.clock.bodies = false
	n.streams.Each(func(st *serverStream) {
		if left := st.party.CheckBody(); left > 0 {
			n.clock.bodies = true
			n.clock.in(n, left)
		}
	})
}
