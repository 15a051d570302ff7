package loop

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWheelFiresEveryTimerOnceAndNeverEarly(t *testing.T) {
	var w wheel
	type timer struct {
		c  *conn
		at ticks
	}
	due := map[*conn]ticks{}
	for range 5000 {
		tm := timer{new(conn), ticks(rand.IntN(5*wheelSlots) + 1)}
		due[tm.c] = tm.at
		w.insert(tm.c, tm.at)
	}
	var now ticks
	for len(due) > 0 {
		step := w.next()
		if step == 0 {
			t.Fatalf("the wheel says it is empty with %d timers left", len(due))
		}
		now += min(step, ticks(rand.IntN(40)+1))
		w.advance(now, func(c *conn) {
			at, ok := due[c]
			switch {
			case !ok:
				t.Fatal("a timer fired twice")
			case at > w.current: // beyond the horizon: it goes round again
				w.insert(c, at)
			case at < w.current:
				t.Fatalf("a timer for %d fired at %d", at, w.current)
			default:
				delete(due, c)
			}
		})
	}
	if w.count != 0 || w.next() != 0 {
		t.Errorf("count %d, next %d after the last timer", w.count, w.next())
	}
}

func TestWheelRemove(t *testing.T) {
	var w wheel
	conns := make([]*conn, 100)
	for i := range conns {
		conns[i] = new(conn)
		w.insert(conns[i], ticks(i%7+1))
	}
	for i, c := range conns {
		if i%3 != 0 {
			w.remove(c)
			w.remove(c) // again does nothing
		}
	}
	fired := 0
	w.advance(50, func(*conn) { fired++ })
	if want := (len(conns) + 2) / 3; fired != want {
		t.Errorf("%d timers fired, want %d", fired, want)
	}
}

func TestTicksAreNeverEarly(t *testing.T) {
	for range 1000 {
		since := time.Duration(rand.Int64N(int64(time.Hour)))
		d := time.Duration(rand.Int64N(int64(time.Minute))) + 1
		at := time.Duration(ticksAfter(since, d)) * slotTime
		if at < since+d || at >= since+d+slotTime {
			t.Fatalf("%v after %v is at %v", d, since, at)
		}
	}
}
