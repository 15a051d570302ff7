package jobs

import "sync/atomic"

// outstanding counts work on goroutines that waits for a processor, which the event loops
// are to know: as many loops as processors never block under load, so without a hint an
// ordinary goroutine waits for the runtime's preemption, 10 ms or more.
var outstanding atomic.Int64

// Begin announces work on a goroutine. End must follow.
func Begin() { outstanding.Add(1) }

// End says that the work is done, or waits for something other than a
// processor.
func End() { outstanding.Add(-1) }

// Outstanding tells whether loops should yield once a tick.
func Outstanding() bool { return outstanding.Load() > 0 }
