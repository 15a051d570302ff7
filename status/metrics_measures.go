package status

import "github.com/asteri/asteri-loop/loop"

// Measures are what only /metrics tells, beside the document and the counts of
// exchanges. Counters are from the server's start.
type Measures struct {
	Engine loop.Stats
	// BufferBudget is how many bytes buffers may use.
	BufferBudget int64
	// Pools are the applications' workers.
	Pools []PoolMeasures
	// LogLinesLost counts by log.
	LogLinesLost map[string]uint64
	// StatsdLost counts datagrams that could not be sent; nil without StatsD.
	StatsdLost *uint64
}

// PoolMeasures are those of one application.
type PoolMeasures struct {
	// App is where the application is mounted, if it is; Model its worker model.
	App, Model string
	// Scaling is how many workers there are to be; nil where there are no processes.
	Scaling *Scaling
	// Queued requests wait for a worker, at most QueueSize.
	Queued, QueueSize int
	// InFlight requests are with workers.
	InFlight int
	// Refused requests found the queue full, Expired ones waited in it for too
	// long, TimedOut ones took too long, Retried ones went to a second worker
	// after the first had died.
	Refused, Expired, TimedOut, Retried uint64
	// MetricsDropped counts updates of the application's own metrics that were dropped,
	// by reason.
	MetricsDropped map[string]uint64
	// Started worker processes were started, Exited ended, by cause. Exited is
	// nil where there are no processes.
	Started uint64
	Exited  map[string]uint64
}
