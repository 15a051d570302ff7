package websocket

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/wheel"
)

// Connections have one deadline each, and many connections share a timer: that of
// their executor, which is all that an executor's connections share. It runs only for
// slots of the wheel that hold something, and costs one post when it runs out.

const slotTime = 100 * time.Millisecond

// ticks counts slotTime since the start of a home.
type ticks = wheel.Ticks

// timers has the wheel find a connection's timer.
type timers struct{}

func (timers) Timer(c *Conn) *wheel.Timer[Conn] { return &c.timer }

// home is what the connections of one executor share. It belongs to the executor.
type home struct {
	executor asteri.Executor
	scratch  []byte // for frames; what is written is copied
	packed   []byte // for compressed messages

	start  time.Duration // by the clock of deadlines
	wheel  wheel.Wheel[Conn, timers]
	timer  *time.Timer
	wakeAt ticks // when the timer runs out; 0: it does not run

	turns
}

func newHome(e asteri.Executor) *home {
	h := &home{executor: e, start: awake.Now(), turns: turns{room: turnWork}}
	h.timer = time.AfterFunc(time.Hour, func() { e.Post(h.advance) })
	h.timer.Stop()
	return h
}

// after returns the first tick that is d or more from now.
func (h *home) after(d time.Duration) ticks {
	return wheel.After(awake.Now()-h.start, d, slotTime) + 1
}

// set gives c a deadline in place of the one it has.
func (h *home) set(c *Conn, at ticks) {
	h.wheel.Remove(c)
	c.due = at
	h.wheel.Insert(c, at)
	if at := c.timer.At(); h.wakeAt == 0 || at < h.wakeAt {
		h.wake(at)
	}
}

func (h *home) wake(at ticks) {
	h.wakeAt = at
	h.timer.Reset(h.start + time.Duration(at)*slotTime - awake.Now())
}

// advance moves the wheel to the present and lets connections know whose deadline
// has passed. What they do about it runs by itself, so that one that fails harms
// no other.
func (h *home) advance() {
	h.wakeAt = 0
	h.wheel.Advance(ticks((awake.Now()-h.start)/slotTime), func(c *Conn) {
		if c.due > h.wheel.Current {
			h.wheel.Insert(c, c.due) // it was beyond the horizon
		} else {
			c.post(c.onDeadline)
		}
	})
	if n := h.wheel.Next(); n > 0 {
		h.wake(h.wheel.Current + n)
	}
}
