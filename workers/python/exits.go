package python

import "sync/atomic"

// exitCause is why a worker process ended.
type exitCause uint8

const (
	exitCrashed      exitCause = iota // by itself, without being told
	exitFinished                      // it was told to, and had time
	exitBootFailed                    // it never became ready
	exitTimeout                       // killed: only requests that took too long were left
	exitUnresponsive                  // killed: no sign of life
	exitDrainTimeout                  // killed: it did not finish in time
	exitProtocol                      // killed: it broke the link's protocol
	exitStopped                       // killed: the server stops, or does not want it any more
	numExitCauses
)

// exitCauses are the keys of Snapshot.Exits.
var exitCauses = [numExitCauses]string{
	exitCrashed:      "crashed",
	exitFinished:     "finished",
	exitBootFailed:   "boot_failed",
	exitTimeout:      "timeout",
	exitUnresponsive: "unresponsive",
	exitDrainTimeout: "drain_timeout",
	exitProtocol:     "protocol_violation",
	exitStopped:      "stopped",
}

// exits counts them.
type exits [numExitCauses]atomic.Uint64

func (e *exits) add(why exitCause) { e[why].Add(1) }

func (e *exits) byName() map[string]uint64 {
	named := make(map[string]uint64, numExitCauses)
	for why, name := range exitCauses {
		named[name] = e[why].Load()
	}
	return named
}
