package awake

import (
	"sync"
	"testing"
	"time"
)

// later returns a time d after all that any test has used.
func later(d time.Duration) time.Time {
	return base.Add(max(time.Duration(seen.Load()), time.Since(base)) + d)
}

func TestTimeThatTheProcessWasStoppedDoesNotCount(t *testing.T) {
	release := Keep()
	defer release()
	before, lostBefore := At(later(0)), Lost()
	if passed := At(later(time.Hour)) - before; passed < 0 || passed > 2*tick {
		t.Errorf("%v have passed", passed)
	}
	if n := Lost() - lostBefore; n < time.Hour-2*tick || n > time.Hour {
		t.Errorf("lost %v", n)
	}
	before = At(later(0))
	if passed := At(later(missed/2)) - before; passed < missed/2-tick || passed > missed/2+tick {
		t.Errorf("of %v that were no stop %v have passed", missed/2, passed)
	}
}

// Readings side by side count a stop once.
func TestReadingsSideBySide(t *testing.T) {
	release := Keep()
	defer release()
	before, lostBefore, at := At(later(0)), Lost(), later(time.Hour)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if passed := At(at.Add(time.Duration(i)*time.Millisecond)) - before; passed < 0 || passed > 2*tick {
				t.Errorf("%v have passed", passed)
			}
		})
	}
	all.Wait()
	if n := Lost() - lostBefore; n > time.Hour {
		t.Errorf("lost %v", n)
	}
}

// Without somebody who keeps it nobody knows of stops.
func TestNobodyKeepsIt(t *testing.T) {
	before, lostBefore := At(later(0)), Lost()
	if passed := At(later(time.Hour)) - before; passed < time.Hour || Lost() != lostBefore {
		t.Errorf("%v have passed, lost %v", passed, Lost()-lostBefore)
	}
}

func TestSigns(t *testing.T) {
	first, second := Keep(), Keep()
	first()
	first()
	mark := seen.Load()
	for deadline := time.Now().Add(20 * time.Second); int64(time.Since(base)) > seen.Load()+int64(missed) || seen.Load() == mark && mark < int64(time.Since(base)); {
		if time.Now().After(deadline) {
			t.Fatal("no sign in 20 s")
		}
		time.Sleep(tick / 10)
	}
	second()
	if ticker != nil || keepers != 0 {
		t.Error("it goes on")
	}
}

func BenchmarkAt(b *testing.B) {
	release := Keep()
	defer release()
	now := time.Now()
	for b.Loop() {
		At(now)
	}
}
