// Package wheel keeps the deadlines of many connections that one goroutine owns, in a hashed
// wheel of coarse slots. A connection is in the wheel at most once, at or before its earliest
// deadline: moving a deadline back only stores a number, and the connection is put where it
// belongs when its old slot comes round. It is intrusive, so that this costs no allocation,
// and an idle connection three words.
package wheel

import (
	"math"
	"math/bits"
	"time"
)

// Slots is how many slots a wheel has.
const Slots = 1024

// Ticks counts slots since the owner began; 0 means none.
type Ticks int64

// After converts a duration from now, which is so long since the owner began, to the first
// tick that is not early. One of centuries is cut short.
func After(sinceStart, d, slotTime time.Duration) Ticks {
	d = min(d, math.MaxInt64/2)
	return Ticks((sinceStart + d + slotTime - 1) / slotTime)
}

// Timer is the place of an item in a wheel, and is kept in the item. The zero value is none.
type Timer[T any] struct {
	at         Ticks
	prev, next *T
}

// At returns the tick at which the wheel comes to the item, 0 for one that is in none.
func (t *Timer[T]) At() Ticks { return t.at }

// Access finds the Timer of an item.
type Access[T any] interface{ Timer(item *T) *Timer[T] }

// Wheel belongs to one goroutine. The zero value is empty.
type Wheel[T any, A Access[T]] struct {
	// Current is the tick to which the wheel has advanced.
	Current Ticks

	slots  [Slots]*T
	used   [Slots / 64]uint64
	count  int
	access A
}

// Len returns how many items there are.
func (w *Wheel[T, A]) Len() int { return w.count }

// Insert puts an item, which must be in no wheel, where the wheel comes to it at tick at: at
// the next one if that has passed, earlier if it is beyond the horizon.
func (w *Wheel[T, A]) Insert(item *T, at Ticks) {
	at = min(max(at, w.Current+1), w.Current+Slots-1)
	i := uint64(at) % Slots
	t := w.access.Timer(item)
	t.at, t.prev, t.next = at, nil, w.slots[i]
	if t.next != nil {
		w.access.Timer(t.next).prev = item
	}
	w.slots[i] = item
	w.used[i/64] |= 1 << (i % 64)
	w.count++
}

// Remove takes an item out, if it is in.
func (w *Wheel[T, A]) Remove(item *T) {
	t := w.access.Timer(item)
	if t.at == 0 {
		return
	}
	i := uint64(t.at) % Slots
	if t.prev != nil {
		w.access.Timer(t.prev).next = t.next
	} else {
		w.slots[i] = t.next
		if t.next == nil {
			w.used[i/64] &^= 1 << (i % 64)
		}
	}
	if t.next != nil {
		w.access.Timer(t.next).prev = t.prev
	}
	*t = Timer[T]{}
	w.count--
}

// Next returns how many ticks from Current the next used slot is, 0 if none.
func (w *Wheel[T, A]) Next() Ticks {
	if w.count == 0 {
		return 0
	}
	start := uint64(w.Current+1) % Slots
	for d := uint64(0); d < Slots; {
		i := (start + d) % Slots
		word := w.used[i/64] >> (i % 64)
		if word != 0 {
			return Ticks(d) + Ticks(bits.TrailingZeros64(word)) + 1
		}
		d += 64 - i%64
	}
	return 0
}

// Advance moves the wheel to now and calls expire for each item whose slot has come, having
// taken it out. expire may insert and remove items. If it does not return, the next call
// goes on where it stopped.
func (w *Wheel[T, A]) Advance(now Ticks, expire func(*T)) {
	for {
		i := uint64(w.Current) % Slots
		for item := w.slots[i]; item != nil; item = w.slots[i] {
			w.Remove(item)
			expire(item)
		}
		if w.Current >= now {
			return
		}
		if w.count == 0 {
			w.Current = now
			return
		}
		w.Current++
	}
}
