package websocket

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

// Connections have one deadline each, and many connections share a timer: that of
// their executor, which is all that an executor's connections share. Deadlines are
// kept in a wheel of coarse slots. The timer runs only for slots that hold
// something, and costs one post when it runs out.

const (
	slotTime = 100 * time.Millisecond
	slots    = 512
)

// ticks counts slotTime since the start of a clock.
type ticks int64

// home is what the connections of one executor share. It belongs to the executor.
type home struct {
	executor asteri.Executor
	scratch  []byte // for frames; what is written is copied
	packed   []byte // for compressed messages

	start   time.Duration // by the clock of deadlines
	current ticks
	wheel   [slots]*Conn
	count   int
	timer   *time.Timer
	wakeAt  ticks // when the timer runs out; 0: it does not run

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
	return ticks((awake.Now()-h.start+d+slotTime-1)/slotTime) + 1
}

// set gives c a deadline in place of the one it has.
func (h *home) set(c *Conn, at ticks) {
	h.remove(c)
	c.due = at
	// Beyond the horizon it waits in the last slot, and is set again from there.
	c.slot = min(max(at, h.current+1), h.current+slots-1)
	head := &h.wheel[c.slot%slots]
	c.next = *head
	if c.next != nil {
		c.next.prev = c
	}
	*head = c
	h.count++
	if h.wakeAt == 0 || c.slot < h.wakeAt {
		h.wake(c.slot)
	}
}

func (h *home) remove(c *Conn) {
	if c.slot == 0 {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		h.wheel[c.slot%slots] = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next, c.slot = nil, nil, 0
	h.count--
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
	for now := ticks((awake.Now() - h.start) / slotTime); h.current < now && h.count > 0; {
		h.current++
		for c := h.wheel[h.current%slots]; c != nil; c = h.wheel[h.current%slots] {
			h.remove(c)
			if c.due > h.current {
				h.set(c, c.due)
			} else {
				c.post(c.onDeadline)
			}
		}
	}
	if h.count == 0 {
		h.current = max(h.current, ticks((awake.Now()-h.start)/slotTime))
		return
	}
	for at := h.current + 1; ; at++ {
		if h.wheel[at%slots] != nil {
			h.wake(at)
			return
		}
	}
}
