//go:build !linux

package cpus

// quota returns 0: there are no control groups here.
func quota() float64 { return 0 }
