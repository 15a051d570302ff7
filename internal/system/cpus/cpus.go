// Package cpus tells how many processors this process may use.
package cpus

import (
	"math"
	"runtime"
)

// Count is how many processors there are for this process: those that it may run on, and no
// more than a container's quota of processor time is worth, a part of one in full. It is
// one at the least.
func Count() int {
	n := runtime.NumCPU() // which heeds affinity
	if q := quota(); q > 0 {
		n = min(n, int(math.Ceil(q)))
	}
	return max(n, 1)
}
