package http2

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/pace"
	"github.com/asteri/asteri-loop/loop"
)

// clock holds a connection's deadlines. Each is a moment of the clock of deadlines in
// nanoseconds, 0 for none; a timer runs for the earliest, and one that was put off is
// found to be so when it runs out.
type clock struct {
	s        *session
	running  int64 // when mainTimer runs out; 0: it does not run
	bodies   int64 // when bodyTimer runs out; 0: it does not run
	began    int64 // when our SETTINGS were sent
	settings int64 // for the client's preface, and for its acknowledgement of our SETTINGS
	block    int64 // for the header section to become complete
	idle     int64 // for a next request
	stall    int64 // for the window of the connection to open
	goodbye  int64 // for the answer to our PING
	look     int64 // at how fast the client opens windows that content waits for
	handlers int64 // to look at handlers that keep their exchanges

	paced bool      // pace says something
	pace  pace.Pace // at which the client opens the window of the connection
}

const (
	mainTimer loop.Timer = iota
	bodyTimer
)

func (c *clock) now() int64 { return int64(c.s.at.Awake()) }

// in returns the moment d from now, 0 if d is none.
func (c *clock) in(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return c.now() + int64(d)
}

// watch has a deadline enforced.
func (c *clock) watch(at int64) {
	if at != 0 && (c.running == 0 || at < c.running) {
		c.running = at
		c.s.conn.SetTimer(mainTimer, time.Duration(max(at-c.now(), 1)))
	}
}

func (c *clock) start(s *session) {
	c.s = s
	c.began = c.now()
	c.settings = c.in(s.at.Settings.Timeouts.Header)
	c.watch(c.settings)
}

// settingsDone is called when the client has acknowledged our SETTINGS.
func (c *clock) settingsDone() {
	c.settings = 0
	if c.s.rtt == 0 {
		c.s.rtt = time.Duration(c.now() - c.began)
	}
	if len(c.s.streams.Open) == 0 && c.idle == 0 {
		c.becomeIdle()
	}
}

func (c *clock) awaitBlock() {
	if c.block == 0 {
		c.block = c.in(c.s.at.Settings.Timeouts.Header)
		c.watch(c.block)
	}
}

// becomeIdle is called when the last stream has ended, or there is none yet. Frames that
// begin none do not keep the connection.
func (c *clock) becomeIdle() {
	d := c.s.at.Settings.Timeouts.KeepAlive
	if c.s.at.Settings.NoKeepAlive && c.s.last > 0 {
		d = 1
	}
	c.idle = c.in(d)
	c.watch(c.idle)
}

// stalls notes that a stream is blocked by its own window.
func (c *clock) stalls(st *serverStream) {
	if st.stalled == 0 {
		st.stalled = c.in(c.stallTimeout())
		c.watch(st.stalled)
	}
	if !st.paced && st.x != nil {
		st.paced = true
		c.lookLater()
	}
	if st.paced {
		st.pace.Wait(c.now())
	}
}

// took notes that n bytes of a stream are sent, or may be.
func (c *clock) took(st *serverStream, n int) {
	now := c.now()
	if st.paced {
		st.pace.Took(now, n)
	}
	if c.paced {
		c.pace.Took(now, n)
	}
}

// allTaken notes that no content waits for the window of the connection.
func (c *clock) allTaken() {
	c.paced = false
	c.pace.Clear()
}

func (c *clock) lookLater() {
	t := &c.s.at.Settings.Timeouts
	if c.look == 0 && t.ResponseRate > 0 {
		c.look = c.in(max(t.RateGrace, time.Second/10))
		c.watch(c.look)
	}
}

// lookAround ends what the client takes too slowly.
func (c *clock) lookAround() {
	c.look = 0
	t := &c.s.at.Settings.Timeouts
	limit := pace.Limit{Rate: t.ResponseRate, Grace: t.RateGrace}
	now := c.now()
	if c.paced && c.pace.Look(now, 0, limit) {
		c.s.fail(errCalm("content is taken too slowly"))
		return
	}
	again := c.paced
	c.s.streams.Each(func(st *serverStream) {
		switch {
		case !st.paced || st.state == streamClosed:
		case st.pace.Look(now, 0, limit):
			st.end(resetByUs, codeCancel, asteri.ErrClientGone)
		default:
			again = true
		}
	})
	if again {
		c.lookLater()
	}
}

// stallTimeout is how long a window may stay closed. One of a client that sends nothing
// more stays so for ever.
func (c *clock) stallTimeout() time.Duration {
	if c.s.eofTold {
		return 1
	}
	return c.s.at.config.StallTimeout
}

// noMoreWindows is called when the client sends nothing more.
func (c *clock) noMoreWindows() {
	at := c.in(c.stallTimeout())
	if c.stall != 0 {
		c.stall = at
	}
	for _, st := range c.s.streams.Open {
		if st.stalled != 0 {
			st.stalled = at
		}
	}
	c.watch(at)
}

// connectionStalls notes that content waits for the window of the connection,
// connectionMoves that it has opened.
func (c *clock) connectionStalls() {
	if !c.paced {
		c.paced = true
		c.lookLater()
	}
	c.pace.Wait(c.now())
	if c.stall == 0 {
		c.stall = c.in(c.stallTimeout())
		c.watch(c.stall)
	}
}

func (c *clock) connectionMoves() {
	c.stall = 0
	if c.paced {
		c.pace.Took(c.now(), 0)
	}
}

// watchBodies has bodies looked at in d: one of them may be late then.
func (c *clock) watchBodies(d time.Duration) {
	if at := c.in(d); at != 0 && (c.bodies == 0 || at < c.bodies) {
		c.bodies = at
		c.s.conn.SetTimer(bodyTimer, d)
	}
}

// OnTimer enforces the deadlines.
func (s *session) OnTimer(t loop.Timer) {
	if s.state == stateClosed {
		return
	}
	if t == bodyTimer {
		s.clock.checkBodies()
	} else {
		s.clock.check()
	}
	if s.state != stateClosed {
		s.settle()
	}
}

// check ends what is late and waits for the next deadline.
func (c *clock) check() {
	s := c.s
	now := c.now()
	c.running = 0
	if s.block == nil {
		c.block = 0
	}
	if len(s.streams.Open) > 0 || s.block != nil {
		c.idle = 0
	}
	late := func(at int64) bool { return at != 0 && at <= now }
	switch {
	case late(c.settings):
		s.fail(connError{codeSettingsTimeout, "SETTINGS are not acknowledged"})
	case late(c.block):
		s.fail(connError{codeProtocol, "header section did not become complete in time"})
	case late(c.stall):
		s.fail(errCalm("window of the connection does not open"))
	case late(c.idle):
		s.fail(connError{codeNo, "idle"})
	case late(c.goodbye):
		c.goodbye = 0
		s.sayGoodbye()
	case late(c.look):
		c.lookAround()
	case late(c.handlers):
		c.checkHandlers()
	}
	if s.state == stateClosed {
		return
	}
	for _, at := range []int64{c.settings, c.block, c.idle, c.stall, c.goodbye, c.look, c.handlers} {
		c.watch(at)
	}
	s.streams.Each(func(st *serverStream) {
		if late(st.stalled) && st.state != streamClosed {
			st.end(resetByUs, codeCancel, asteri.ErrClientGone)
		} else {
			c.watch(st.stalled)
		}
	})
}

// watchHandlers has handlers looked at within d: one of them may be late then.
func (c *clock) watchHandlers(d time.Duration) {
	if at := c.in(d); at != 0 && (c.handlers == 0 || at < c.handlers) {
		c.handlers = at
		c.watch(at)
	}
}

// checkHandlers ends exchanges whose handlers are late.
func (c *clock) checkHandlers() {
	c.handlers = 0
	c.s.streams.Each(func(st *serverStream) {
		if st.state != streamClosed {
			c.watchHandlers(st.party.CheckHandler())
		}
	})
}

// checkBodies ends bodies that are late and waits for the next one that may be.
func (c *clock) checkBodies() {
	c.bodies = 0
	c.s.streams.Each(func(st *serverStream) {
		switch {
		case st.state == streamClosed:
		case st.discardBy == 0:
			c.watchBodies(st.party.CheckBody())
		case st.discardBy <= c.now():
			st.Reset(nil)
		default:
			c.watchBodies(time.Duration(st.discardBy - c.now()))
		}
	})
}
