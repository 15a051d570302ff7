// Package awake is the clock of deadlines. It is monotonic, so that setting the time of day
// moves none, and it stands still while the process is stopped (SIGSTOP, a frozen container,
// a paused virtual machine): who was to answer in that time could not be heard, and gets it
// again.
package awake

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tick is how often the process shows that it runs, at least.
	tick = 250 * time.Millisecond
	// missed is the longest time without a sign that counts as running. A busy machine
	// may hold up a process that long.
	missed = time.Second
	// stale is the age of the last sign from which on a reading is one, too.
	stale = tick / 4
)

var (
	base = time.Now()

	seen atomic.Int64 // the last sign, since base
	lost atomic.Int64 // time that the process was stopped

	mu      sync.Mutex // held by who changes the above beyond a plain step, and:
	keepers int
	ticker  *time.Timer
)

// Now returns the time since the process began, less that in which it was stopped.
func Now() time.Duration { return At(time.Now()) }

// At returns what Now did at t, which is a time that time.Now has returned a moment ago.
func At(t time.Time) time.Duration {
	now := int64(t.Sub(base))
	if since := now - seen.Load(); since > int64(stale) {
		look(now, since)
	}
	return time.Duration(now - lost.Load())
}

// Of converts any time with a monotonic reading.
func Of(t time.Time) time.Duration { return t.Sub(base) - time.Duration(lost.Load()) }

// look notes a sign at now, the first one for a while.
func look(now, since int64) {
	if since <= int64(missed) {
		seen.Store(now)
		return
	}
	mu.Lock()
	defer mu.Unlock()
	since = now - seen.Load()
	if keepers > 0 && since > int64(missed) {
		lost.Add(since - int64(tick)) // first: who sees the new sign sees this
	}
	if since > 0 {
		seen.Store(now)
	}
}

// Keep has the process show that it runs, until release is called: without that nobody
// knows whether it was stopped. Who has deadlines for others keeps it.
func Keep() (release func()) {
	mu.Lock()
	defer mu.Unlock()
	if keepers++; keepers == 1 {
		seen.Store(int64(time.Since(base)))
		var t *time.Timer
		t = time.AfterFunc(tick, func() {
			Now()
			mu.Lock()
			defer mu.Unlock()
			if ticker == t {
				t.Reset(tick)
			}
		})
		ticker = t
	}
	return sync.OnceFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		if keepers--; keepers == 0 {
			ticker.Stop()
			ticker = nil
		}
	})
}

// Lost returns for how long the process has been stopped.
func Lost() time.Duration {
	Now()
	return time.Duration(lost.Load())
}
