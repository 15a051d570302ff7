package python

import (
	"slices"

	"github.com/asteri/asteri-loop/workers/python/internal/process"
)

// reload is a generation that is being started.
type reload struct {
	config     *Config
	workers    int // of it
	generation int
	result     chan error
}

// finishReload changes over to the new generation once all of it is ready, and what has
// to finish from before has left room for the present one to do so.
func (s *supervisor) finishReload() {
	r := s.reload
	ready := s.live(r.generation)
	for _, w := range ready {
		if !w.is(stateReady) || w.supervised.killAt != 0 { // its end is on its way, and ends the reload
			return
		}
	}
	if len(ready) < r.workers || len(s.draining()) >= s.wanted {
		return
	}
	s.reload = nil
	before := s.wanted
	s.config, s.generation, s.wanted = r.config, r.generation, r.workers
	s.tellWanted(before)
	s.staffing.release()
	s.failures, s.spawnAt, s.awaiting = 0, 0, false
	s.pool.current.Store(r.config)
	s.pool.info.Store(&ready[0].info)
	s.everReady = true
	s.pool.firstReady(&ready[0].info, nil)
	for _, w := range ready {
		s.admit(w)
	}
	for _, w := range slices.Clone(s.workers) {
		if w.supervised.generation != r.generation {
			s.drain(w)
		}
	}
	r.result <- nil
}

// startReload starts a generation beside the present one.
func (s *supervisor) startReload(cfg *Config, result chan error) {
	switch {
	case s.stopping:
		result <- errStopped
	case s.reload != nil:
		result <- errReloading
	default:
		s.reload = &reload{config: cfg, workers: s.workersOf(cfg), generation: s.lastGeneration() + 1, result: result}
		for range s.reload.workers {
			s.spawn(cfg, s.reload.generation)
		}
	}
}

// awaitReload leaves it to a reload to start workers, as the first ones cannot boot for err.
// Nobody is to wait for them.
func (s *supervisor) awaitReload(err error) {
	s.awaiting = true
	for _, w := range s.live(s.generation) {
		s.kill(w, process.Stopped, "another of its generation cannot boot")
	}
	s.pool.firstReady(nil, err)
	s.pool.refuseWaiting()
}

// lastGeneration is the highest number in use, also by a reload that has failed
// and whose workers are still going.
func (s *supervisor) lastGeneration() int {
	n := s.generation
	for _, w := range s.workers {
		n = max(n, w.supervised.generation)
	}
	return n
}

// failReload gives up a generation of which a worker has failed. The present one
// serves on.
func (s *supervisor) failReload(err error) {
	r := s.reload
	s.reload = nil
	for _, w := range s.live(r.generation) {
		s.kill(w, process.Stopped, "the reload has failed")
	}
	r.result <- err
}
