package python

import (
	"sync/atomic"
	"time"
)

// history is where a call has been, for the observer of its exchange. Times are
// since the request came.
type history struct {
	received  time.Time
	submitted time.Duration // when the call was ready for a worker; the home's
	// From the link's loop to the home:
	taken  atomic.Int64 // when the worker took it; 0 for not yet
	worker atomic.Int64 // the worker's process
}

// account tells the observer of the exchange, which is about to end, what the call
// has been through.
func (c *call) account() {
	h := &c.req.Handling
	h.Model = c.pool.model() // which may not have been known yet
	now := time.Since(c.history.received)
	taken := time.Duration(c.history.taken.Load())
	switch {
	case c.atHome.bodyKind == bodyCollecting:
		return // it has waited for its client
	case taken == 0:
		h.Queued = now - c.history.submitted
		return
	}
	h.Worker = int(c.history.worker.Load())
	// The loop of the link has a clock of its own.
	h.Queued = max(taken-c.history.submitted, 0)
	h.Worked = max(now-taken, 1)
}

// atWorker notes that the process pid has the call.
func (c *call) atWorker(pid int) { c.history.worker.Store(int64(pid)) }

// isTaken notes that the worker has begun with the call, as far as the front can
// know.
func (c *call) isTaken(at time.Time) {
	c.history.taken.Store(max(int64(at.Sub(c.history.received)), 1))
}

// Place implements asteri.Progress.
func (c *call) Place() (worker int, begun bool) {
	return int(c.history.worker.Load()), c.history.taken.Load() != 0
}

// model is the one that runs, or that is asked for while none does.
func (p *Pool) model() string {
	if info := p.info.Load(); info != nil {
		return info.Model
	}
	return p.config().Model
}
