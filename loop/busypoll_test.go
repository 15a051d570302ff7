package loop

import (
	"testing"
	"time"
)

func TestBusyPoll(t *testing.T) {
	var p busyPoll
	attempts := func(sleeps int, finds func(attempt int) bool) (n int) {
		for range sleeps {
			if p.has() {
				p.learn(finds(n))
				n++
			}
		}
		return n
	}
	if n := attempts(1000, func(int) bool { return true }); n != 1000 {
		t.Errorf("finds all the time: %d attempts for 1000 sleeps", n)
	}
	if n := attempts(1000, func(i int) bool { return i%3 != 0 }); n != 1000 {
		t.Errorf("finds two times in three: %d attempts for 1000 sleeps", n)
	}
	if n := attempts(65*100, func(int) bool { return false }); n > 103 {
		t.Errorf("finds nothing: %d attempts for 6500 sleeps", n)
	}
	if n := attempts(65*100, func(i int) bool { return i%2 == 0 }); n > 400 {
		t.Errorf("a find for each wait in vain: %d attempts for 6500 sleeps", n)
	}
	if n := attempts(1000, func(int) bool { return true }); n < 1000-pollRest {
		t.Errorf("finds again: %d attempts for 1000 sleeps", n)
	}
}

// A loop with many connections finds the answers of a worker's batch as one event, between looks that find
// many.
func TestCrowd(t *testing.T) {
	var c crowd
	for range 10 {
		c.saw(1)
		c.saw(1)
	}
	if c > aFew {
		t.Errorf("one connection makes a crowd of %d", c)
	}
	for range 10 {
		c.saw(16)
		c.saw(1)
		if c <= aFew {
			t.Fatalf("16 at a time make a crowd of %d", c)
		}
	}
	for range 20 {
		c.saw(1)
	}
	if c > aFew {
		t.Errorf("after 20 single ones it is %d", c)
	}
}

// A loop that polls on works no more than one that sleeps.
func TestLookingOnIsNoWork(t *testing.T) {
	m := busyMeter{windowStart: time.Now()}
	for range 4 {
		m.polled(100 * time.Millisecond)
	}
	worked := m.work(500*time.Millisecond, 480*time.Millisecond)
	if n := adapt(worked, 1, 4); n != 1 {
		t.Errorf("it is taken for saturated: %d loops", n)
	}
	if n := adapt(worked, 2, 4); n != 1 {
		t.Errorf("it is taken for work: %d loops", n)
	}
}
