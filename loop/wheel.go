package loop

import (
	"math"
	"math/bits"
	"time"
)

// Timers are kept in a hashed wheel of coarse slots. A connection is in the
// wheel at most once, at or before its earliest deadline: moving a deadline
// back, which every request does, only stores a number, and the connection is
// put where it belongs when its old slot comes round.
const (
	slotTime   = 32 * time.Millisecond
	wheelSlots = 1024
)

// ticks counts slotTime since the loop began; 0 means none.
type ticks int64

type wheel struct {
	slots   [wheelSlots]*conn
	used    [wheelSlots / 64]uint64
	current ticks
	count   int
}

// ticksAfter converts a duration from now to the first tick that is not early. One of
// centuries is cut short.
func ticksAfter(sinceStart time.Duration, d time.Duration) ticks {
	d = min(d, math.MaxInt64/2)
	return ticks((sinceStart + d + slotTime - 1) / slotTime)
}

func (w *wheel) insert(c *conn, at ticks) {
	// Beyond the horizon the connection waits in the last slot and is
	// inserted again from there.
	at = min(max(at, w.current+1), w.current+wheelSlots-1)
	i := uint64(at) % wheelSlots
	c.wheelAt = at
	c.wheelPrev, c.wheelNext = nil, w.slots[i]
	if w.slots[i] != nil {
		w.slots[i].wheelPrev = c
	}
	w.slots[i] = c
	w.used[i/64] |= 1 << (i % 64)
	w.count++
}

func (w *wheel) remove(c *conn) {
	if c.wheelAt == 0 {
		return
	}
	i := uint64(c.wheelAt) % wheelSlots
	if c.wheelPrev != nil {
		c.wheelPrev.wheelNext = c.wheelNext
	} else {
		w.slots[i] = c.wheelNext
		if c.wheelNext == nil {
			w.used[i/64] &^= 1 << (i % 64)
		}
	}
	if c.wheelNext != nil {
		c.wheelNext.wheelPrev = c.wheelPrev
	}
	c.wheelPrev, c.wheelNext, c.wheelAt = nil, nil, 0
	w.count--
}

// next returns how many ticks from current the next used slot is, 0 if none.
func (w *wheel) next() ticks {
	if w.count == 0 {
		return 0
	}
	start := uint64(w.current+1) % wheelSlots
	for d := uint64(0); d < wheelSlots; {
		i := (start + d) % wheelSlots
		word := w.used[i/64] >> (i % 64)
		if word != 0 {
			return ticks(d) + ticks(bits.TrailingZeros64(word)) + 1
		}
		d += 64 - i%64
	}
	return 0
}

// advance moves the wheel to now and calls expire for each connection whose slot
// has come. expire may insert and remove connections. If it does not return, the
// next call goes on where it stopped.
func (w *wheel) advance(now ticks, expire func(*conn)) {
	for {
		i := uint64(w.current) % wheelSlots
		for c := w.slots[i]; c != nil; c = w.slots[i] {
			w.remove(c)
			expire(c)
		}
		if w.current >= now {
			return
		}
		if w.count == 0 {
			w.current = now
			return
		}
		w.current++
	}
}
