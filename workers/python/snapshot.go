package python

import (
	"time"

	dto "github.com/prometheus/client_model/go"
)

// WorkerStatus is the state of one worker process.
type WorkerStatus struct {
	// PID is 0 while the process is being started.
	PID int
	// Number counts the workers from the start of the pool.
	Number int
	// Model is the worker model; empty until the worker is ready.
	Model string
	// State is "STARTING", "IDLE", "BUSY", "DRAINING" or "KILLED".
	State string
	// InFlight is how many requests the worker has, those included that wait
	// in its link.
	InFlight int
	// Sockets is how many open WebSockets it has, which are not InFlight.
	Sockets int
	// Served is how many requests it has finished.
	Served uint64
	// Frames is how many frames its requests came in. The more requests in each, the less
	// each costs.
	Frames uint64
	// Term is how many it serves until another takes its place; 0 for any number.
	Term uint64
	// Started is when it was started.
	Started time.Time
}

// Snapshot is the state of a pool.
type Snapshot struct {
	Workers  []WorkerStatus
	Staffing Staffing
	// Queued is how many requests wait for a worker, at most QueueSize.
	Queued, QueueSize int
	// Refused requests found the queue full, or were for WebSockets for which
	// no worker had room, Expired ones waited in it for too long; all were
	// answered 503. Retried ones were given to a second worker after the first
	// had died. TimedOut ones were answered 504.
	Refused, Expired, Retried, TimedOut uint64
	// Started is how many worker processes were started; Exits counts those that
	// have ended, by cause: "crashed" by themselves, "finished" as they were told,
	// "boot_failed" before they were ready; or killed for "timeout" (only requests
	// that took too long were left), as "unresponsive", for "drain_timeout",
	// "protocol_violation", or "stopped" with the server.
	Started uint64
	Exits   map[string]uint64
}

// Snapshot returns the present state. It may be called from any goroutine.
func (p *Pool) Snapshot() Snapshot {
	s := Snapshot{
		Staffing: *p.staffing.Load(),
		Queued:   p.dispatcher.Waiting(), QueueSize: p.dispatcher.Limit(),
		Refused: p.counts.refused.Load(), Expired: p.counts.expired.Load(), Retried: p.counts.retried.Load(),
		TimedOut: p.counts.timedOut.Load(), Started: p.counts.started.Load(), Exits: p.counts.exits.ByName(),
	}
	if ws := p.workers.Load(); ws != nil {
		for _, w := range *ws {
			s.Workers = append(s.Workers, w.status())
		}
	}
	return s
}

func (w *worker) status() WorkerStatus {
	state := workerState(w.state.Load())
	st := WorkerStatus{
		PID: int(w.pid.Load()), Number: w.age, Served: w.served.Load(), Frames: w.frames.Load(), Term: w.term, Started: w.born,
	}
	st.InFlight, st.Sockets = w.pool.dispatcher.At(&w.slots)
	switch state {
	case stateStarting:
		st.State = "STARTING"
		return st
	case stateKilled:
		st.State = "KILLED"
		return st
	case stateDraining:
		st.State = "DRAINING"
	default:
		st.State = "IDLE"
		if st.InFlight > 0 {
			st.State = "BUSY"
		}
	}
	st.Model = w.info.Model
	return st
}

// Gather returns the metrics that the application counts by asteri_metrics, over all
// of its workers. It makes a Pool a prometheus.Gatherer, and never fails.
func (p *Pool) Gather() ([]*dto.MetricFamily, error) { return p.metrics.Gather(), nil }

// MetricsDropped counts updates of such metrics that were dropped: "series" and "metrics"
// beyond a bound, "definition" for a metric that workers define differently, "invalid".
func (p *Pool) MetricsDropped() map[string]uint64 { return p.metrics.Drops() }

// RouteMemory is by how much requests of one route have made workers grow.
type RouteMemory struct {
	// Method and Route name it: the pattern of the framework, or the path without what
	// tells one thing from another. Both are empty for what no request can be blamed
	// for, and Route is "other" for routes beyond a bound.
	Method, Route string
	// Requests were measured.
	Requests uint64
	// Grown is the sum in bytes, with an estimate of what was not measured; what a route
	// gives back is taken off. Most is the most by one measured request.
	Grown, Most int64
}

// Memory returns which routes have made workers grow since the last reload, those first
// that did most. It is empty where the system does not tell.
func (p *Pool) Memory() []RouteMemory {
	routes := p.routes.List()
	all := make([]RouteMemory, len(routes))
	for i, r := range routes {
		all[i] = RouteMemory(r)
	}
	return all
}
