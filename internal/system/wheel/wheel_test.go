package wheel

import (
	"math/rand/v2"
	"testing"
	"time"
)

type item struct{ timer Timer[item] }

type access struct{}

func (access) Timer(i *item) *Timer[item] { return &i.timer }

func TestWheelFiresEveryTimerOnceAndNeverEarly(t *testing.T) {
	var w Wheel[item, access]
	type timer struct {
		c  *item
		at Ticks
	}
	due := map[*item]Ticks{}
	for range 5000 {
		tm := timer{new(item), Ticks(rand.IntN(5*Slots) + 1)}
		due[tm.c] = tm.at
		w.Insert(tm.c, tm.at)
	}
	var now Ticks
	for len(due) > 0 {
		step := w.Next()
		if step == 0 {
			t.Fatalf("the wheel says it is empty with %d timers left", len(due))
		}
		now += min(step, Ticks(rand.IntN(40)+1))
		w.Advance(now, func(c *item) {
			at, ok := due[c]
			switch {
			case !ok:
				t.Fatal("a timer fired twice")
			case at > w.Current: // beyond the horizon: it goes round again
				w.Insert(c, at)
			case at < w.Current:
				t.Fatalf("a timer for %d fired at %d", at, w.Current)
			default:
				delete(due, c)
			}
		})
	}
	if w.Len() != 0 || w.Next() != 0 {
		t.Errorf("count %d, next %d after the last timer", w.Len(), w.Next())
	}
}

func TestWheelRemove(t *testing.T) {
	var w Wheel[item, access]
	conns := make([]*item, 100)
	for i := range conns {
		conns[i] = new(item)
		w.Insert(conns[i], Ticks(i%7+1))
	}
	for i, c := range conns {
		if i%3 != 0 {
			w.Remove(c)
			w.Remove(c) // again does nothing
		}
	}
	fired := 0
	w.Advance(50, func(*item) { fired++ })
	if want := (len(conns) + 2) / 3; fired != want {
		t.Errorf("%d timers fired, want %d", fired, want)
	}
}

func TestTicksAreNeverEarly(t *testing.T) {
	const slotTime = 32 * time.Millisecond
	for range 1000 {
		since := time.Duration(rand.Int64N(int64(time.Hour)))
		d := time.Duration(rand.Int64N(int64(time.Minute))) + 1
		at := time.Duration(After(since, d, slotTime)) * slotTime
		if at < since+d || at >= since+d+slotTime {
			t.Fatalf("%v after %v is at %v", d, since, at)
		}
	}
}
