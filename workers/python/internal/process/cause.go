package process

import "sync/atomic"

// Cause is why a worker process ended.
type Cause uint8

const (
	Crashed      Cause = iota // by itself, without being told
	Finished                  // it was told to, and had time
	BootFailed                // it never became ready
	Timeout                   // killed: only requests that took too long were left
	Unresponsive              // killed: no sign of life
	DrainTimeout              // killed: it did not finish in time
	Protocol                  // killed: it broke the link's protocol
	Stopped                   // killed: the server stops, or does not want it any more
	numCauses
)

// causeNames are the keys of Snapshot.Exits.
var causeNames = [numCauses]string{
	Crashed:      "crashed",
	Finished:     "finished",
	BootFailed:   "boot_failed",
	Timeout:      "timeout",
	Unresponsive: "unresponsive",
	DrainTimeout: "drain_timeout",
	Protocol:     "protocol_violation",
	Stopped:      "stopped",
}

// Exits counts them.
type Exits [numCauses]atomic.Uint64

// Add counts the end of a process.
func (e *Exits) Add(why Cause) { e[why].Add(1) }

// ByName returns how many there were, by the names of their causes.
func (e *Exits) ByName() map[string]uint64 {
	named := make(map[string]uint64, numCauses)
	for why, name := range causeNames {
		named[name] = e[why].Load()
	}
	return named
}
