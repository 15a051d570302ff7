package scale

import (
	"math/rand/v2"
	"testing"
	"time"
)

// run has a load, in workers, last for a time, and returns how often the number was changed.
func run(s *Scaler, now *time.Duration, n *int, length time.Duration, low, high int, load func() Load) (changes int) {
	for end := *now + length; *now < end; *now += Period {
		step := s.Decide(*now, *n, load())
		if to := min(max(*n+step, low), high); to != *n {
			*n = to
			changes++
		}
	}
	return changes
}

// A load that stays has a number that stays, wherever it lies, and although what is seen of it are
// workers that are at work or not. Chance may ask for one more, for good.
func TestSteadyLoadsHaveSteadyNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for load := .1; load < 6.5; load += .1 {
		s, now, n := new(Scaler), time.Second, 1
		seen := func() Load {
			l := Load{}
			for range n { // each is busy for its share of the time
				if random.Float64() < load/float64(n) {
					l.Busy++
				}
			}
			if load > float64(n) {
				l.Wait = time.Second
			}
			return l
		}
		run(s, &now, &n, 5*time.Minute, 1, 8, seen)
		before := n
		if changes := run(s, &now, &n, 30*time.Minute, 1, 8, seen); changes > 1 || n < before {
			t.Errorf("a load of %.1f workers: %d changes, from %d to %d", load, changes, before, n)
		}
		if float64(n) < load || float64(n-1) > 2*load+1.5 {
			t.Errorf("a load of %.1f workers has %d", load, n)
		}
	}
}

func TestLoadThatComesAndGoes(t *testing.T) {
	s, now, n := new(Scaler), time.Second, 2
	steady := func(busy float64, wait time.Duration) func() Load {
		return func() Load { return Load{Busy: min(busy, float64(n)), Wait: wait} }
	}
	if run(s, &now, &n, time.Minute, 2, 8, steady(0, 0)); n != 2 {
		t.Errorf("%d workers, fewer than there are to be at the least", n)
	}
	began := now
	for n < 4 {
		run(s, &now, &n, Period, 2, 8, steady(8, 0))
		if now-began > 20*time.Second {
			t.Fatalf("%d workers after %v at full load", n, now-began)
		}
	}
	if run(s, &now, &n, time.Minute, 2, 8, steady(8, 0)); n != 8 {
		t.Errorf("%d workers at full load", n)
	}
	if run(s, &now, &n, 20*time.Second, 2, 8, steady(0, 0)); n != 8 {
		t.Errorf("%d workers soon after the load", n)
	}
	if run(s, &now, &n, 10*time.Minute, 2, 8, steady(0, 0)); n != 2 {
		t.Errorf("%d workers without load", n)
	}
	// Calls that wait are enough, though nobody can say how busy a worker is.
	if run(s, &now, &n, 10*time.Second, 2, 8, steady(0, time.Second)); n != 8 {
		t.Errorf("%d workers while calls wait", n)
	}
}

// Workers that take any number of calls are as busy as their processors.
func TestProcessorsCount(t *testing.T) {
	s, now, n := new(Scaler), time.Second, 1
	run(s, &now, &n, 30*time.Second, 1, 3, func() Load { return Load{Busy: .02, CPU: .97 * float64(n)} })
	if n != 3 {
		t.Errorf("%d workers", n)
	}
}
