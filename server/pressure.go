package server

import (
	"math"
	"runtime"
	"runtime/debug"
)

// collectSooner returns what keeps the process close to what it has in use while memory is
// short: usually the collector lets the heap double, and gives freed memory back to the
// system at its leisure. It then runs sooner, and the process is held to the budget, a
// tenth, and what is used beside. That costs little, since buffers hold no pointers.
// Who has set GOGC lower, or GOMEMLIMIT, has that.
func collectSooner(budget int64) func(short bool, held int64) {
	const sooner = 20 // percent
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(-1)
	debug.SetGCPercent(percent)
	return func(short bool, held int64) {
		if !short {
			debug.SetGCPercent(percent)
			debug.SetMemoryLimit(limit)
			return
		}
		if percent > 0 {
			debug.SetGCPercent(min(percent, sooner))
		}
		if limit == math.MaxInt64 {
			debug.SetMemoryLimit(besides(held) + budget/10*11)
		}
	}
}

// besides returns how much memory is in use beside held bytes of buffers, and some more,
// so that the collector does not run for that.
func besides(held int64) int64 {
	const more = 8 << 20
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return max(int64(m.HeapAlloc)-held, 0) + int64(m.Sys-m.HeapSys) + int64(m.StackInuse) + more
}
