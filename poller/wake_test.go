//go:build unix

package poller_test

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/poller"
)

func TestWakeBeforeWait(t *testing.T) {
	watch(t)
	p := open(t)
	for _, max := range []time.Duration{-1, time.Hour, math.MaxInt64} {
		must(t, p.Wake())
		if got := wait(t, p, max); len(got) != 0 {
			t.Errorf("a wake-up returns events: %v", got)
		}
	}
}

// An owner may look before it waits: the look must not take the wake-up away.
func TestLookingKeepsTheWakeUp(t *testing.T) {
	watch(t)
	p := open(t)
	must(t, p.Wake())
	for range 3 {
		look(t, p)
	}
	wait(t, p, -1)
}

func TestWakeEndsAWait(t *testing.T) {
	watch(t)
	p := open(t)
	for range 100 {
		var told atomic.Bool
		done := make(chan bool)
		go func() {
			for !told.Load() {
				if evs, err := p.Wait(make([]poller.Event, 0, 1), -1); err != nil || len(evs) != 0 {
					t.Errorf("woken: %v, %v", evs, err)
				}
			}
			close(done)
		}()
		runtime.Gosched() // let it get anywhere between its start and its sleep
		told.Store(true)
		must(t, p.Wake())
		<-done
	}
}

func TestWakesAreCoalesced(t *testing.T) {
	watch(t)
	p := open(t)
	a, b := streamPair(t)
	must(t, p.Add(a, tokenA, poller.Readable))
	for range 1000 {
		must(t, p.Wake())
	}
	wait(t, p, -1)
	send(t, b, 1)
	// One more Wait may be cut short, not hundreds.
	empty := 0
	for len(wait(t, p, -1)) == 0 {
		empty++
	}
	if empty > 1 {
		t.Errorf("%d waits were cut short after the first", empty)
	}
}

// A wake-up that finds no room among the events must neither be lost nor hide
// them.
func TestWakeAmongMoreEventsThanRoom(t *testing.T) {
	watch(t)
	p := open(t)
	for i := range 8 {
		a, b := streamPair(t)
		must(t, p.Add(a, poller.NewToken(uint32(i), 1), poller.Readable))
		send(t, b, 1)
	}
	seen := map[poller.Token]bool{}
	for waits := 0; len(seen) < 8; waits++ {
		if waits > 100 {
			t.Fatalf("only %d of 8 descriptors are reported while wake-ups come", len(seen))
		}
		must(t, p.Wake())
		evs, err := p.Wait(make([]poller.Event, 0, 1), -1)
		must(t, err)
		for _, ev := range evs {
			seen[ev.Token] = true
		}
	}
}

// What was handed over before a wake-up is found after a Wait, whoever woke: a
// lost wake-up would leave the owner asleep with work in its queue.
func TestWakesFromManyGoroutines(t *testing.T) {
	watch(t)
	const senders, each = 8, 2000
	p := open(t)
	var mu sync.Mutex
	var queue []int
	for s := range senders {
		go func() {
			for i := range each {
				mu.Lock()
				queue = append(queue, s)
				mu.Unlock()
				if err := p.Wake(); err != nil {
					t.Error(err)
				}
				if i%64 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	taken := make([]int, senders)
	for total := 0; total < senders*each; {
		wait(t, p, -1)
		mu.Lock()
		total += len(queue)
		for _, s := range queue {
			taken[s]++
		}
		queue = queue[:0]
		mu.Unlock()
	}
	for s, n := range taken {
		if n != each {
			t.Errorf("sender %d: %d of %d arrived", s, n, each)
		}
	}
}

// The race detector and the leak check are the judges: no wake-up may reach a
// descriptor that has been closed, and perhaps given to somebody else.
func TestWakeWhileClosing(t *testing.T) {
	leakcheck.Check(t)
	watch(t)
	for range 50 {
		p, err := poller.New()
		must(t, err)
		var wakers sync.WaitGroup
		for range 4 {
			wakers.Go(func() {
				for range 50 {
					if err := p.Wake(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait(t, p, time.Microsecond)
		must(t, p.Close())
		wakers.Wait()
	}
}

func TestSignalsAreNoError(t *testing.T) {
	watch(t)
	p := open(t)
	self := make(chan thread, 1)
	var returned atomic.Bool
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		self <- currentThread()
		if evs, err := p.Wait(make([]poller.Event, 0, 1), -1); err != nil || len(evs) != 0 {
			t.Errorf("interrupted: %v, %v", evs, err)
		}
		returned.Store(true)
	}()
	target := <-self
	for sent := 0; !returned.Load(); sent++ {
		if !target.interrupt(t) && sent > 1000 { // the system chose other threads
			must(t, p.Wake())
		}
		runtime.Gosched()
	}
}
