// Package procstat tells what processes and the machine use: processor time and
// memory. Where the system does not say, values are zero and Supported is false.
package procstat

import "time"

// Usage is what a process uses.
type Usage struct {
	// CPU is the processor time, of user and system, since its start.
	CPU time.Duration
	// RSS is its memory in bytes, shared pages counted in full.
	RSS int64
}

// Host is what the machine has, and has used since its start.
type Host struct {
	CPUs int
	// Busy and Total are processor time of all processors together.
	Busy, Total time.Duration
	// Load is the mean number of processes that ran or wanted to, over 1, 5 and
	// 15 minutes.
	Load [3]float64
	// Memory and Available are in bytes: all of it, and what programs could get
	// without swapping.
	Memory, Available int64
}
