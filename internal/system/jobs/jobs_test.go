package jobs

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPoolRunsEverythingWithinItsLimit(t *testing.T) {
	const limit, total = 3, 1000
	p := NewPool(limit)
	var running, most, done atomic.Int64
	var all sync.WaitGroup
	for range total {
		all.Add(1)
		p.Go(func() {
			defer all.Done()
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			done.Add(1)
			running.Add(-1)
		})
	}
	all.Wait()
	if done.Load() != total || most.Load() > limit {
		t.Errorf("%d of %d jobs ran, %d at once, want at most %d", done.Load(), total, most.Load(), limit)
	}
}

func TestPoolKeepsOrder(t *testing.T) {
	p := NewPool(1)
	hold := make(chan struct{})
	p.Go(func() { <-hold })
	var got []int
	var all sync.WaitGroup
	for i := range 100 {
		all.Add(1)
		p.Go(func() { defer all.Done(); got = append(got, i) })
	}
	if !Outstanding() {
		t.Error("the loops do not know of waiting work")
	}
	close(hold)
	all.Wait()
	for i, v := range got {
		if i != v {
			t.Fatalf("job %d ran in place %d", v, i)
		}
	}
}

// A job that ends its goroutine takes no place from those that wait.
func TestJobThatEndsItsGoroutine(t *testing.T) {
	p := NewPool(1)
	var all sync.WaitGroup
	for range 10 {
		all.Add(1)
		p.Go(func() { defer all.Done(); runtime.Goexit() })
	}
	all.Wait()
	done := make(chan struct{})
	p.Go(func() { close(done) })
	<-done
}
