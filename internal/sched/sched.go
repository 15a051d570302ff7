// Package sched lets goroutine work tell the event loops that it is waiting for
// a processor. Loops as many as processors never block under load, so without a
// hint an ordinary goroutine waits for the runtime's preemption, 10 ms or more.
package sched

import "sync/atomic"

var outstanding atomic.Int64

// Begin announces work on a goroutine. End must follow.
func Begin() { outstanding.Add(1) }

// End says that the work is done, or waits for something other than a
// processor.
func End() { outstanding.Add(-1) }

// Outstanding tells whether loops should yield once a tick.
func Outstanding() bool { return outstanding.Load() > 0 }
