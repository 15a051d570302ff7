package python

import (
	"fmt"
	"slices"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
)

// How workers end, and how the supervisor sees to it that they do.

// onBootFailed is called when a worker did not become ready. Its process has gone.
func (s *supervisor) onBootFailed(w *worker, err error) {
	s.forget(w)
	if w.is(stateKilled) {
		s.pool.counts.exits.Add(w.supervised.cause)
	} else {
		s.pool.counts.exits.Add(process.BootFailed)
	}
	switch {
	case s.stopping || w.is(stateKilled):
	case s.reload != nil && w.supervised.generation == s.reload.generation:
		s.failReload(err)
	case w.supervised.generation != s.generation:
	case !s.everReady && s.config.AwaitReload:
		s.awaitReload(err)
	case !s.everReady:
		s.pool.firstReady(nil, err)
		s.stop(0)
	default:
		s.pool.logBootError(w, err)
		s.died(err.Error())
	}
}

// onExited is called when a process that had been ready is gone.
func (s *supervisor) onExited(w *worker) {
	if w.is(stateStarting) { // gone before its loop could say that it is ready
		w.state.Store(int32(stateExited))
		s.onBootFailed(w, &BootError{Phase: "start", Message: "the worker ended before it took requests: it " + w.proc.Exit.Sentence()})
		return
	}
	s.forget(w)
	exit, lost := w.proc.Exit, w.losses()
	switch {
	case w.is(stateDraining) && !lost.any():
		s.pool.counts.exits.Add(process.Finished)
		w.log.Info("worker finished", "exit", exit.String(), "served", w.served.Load())
	case w.is(stateKilled):
		s.pool.counts.exits.Add(w.supervised.cause)
		w.log.Warn("worker killed", lost.attrs("reason", w.supervised.killed, "served", w.served.Load())...)
	default:
		s.pool.counts.exits.Add(process.Crashed)
		w.log.Error("worker died", lost.attrs("exit", exit.String(), "served", w.served.Load())...)
	}
	wasReady := w.is(stateReady)
	w.state.Store(int32(stateExited))
	s.pool.dispatcher.Remove(&w.slots)
	if r := s.reload; r != nil && w.supervised.generation == r.generation {
		s.failReload(&BootError{Phase: "start", Message: "a worker " + exit.String() + " right after it was ready"})
		return
	}
	if wasReady && w.supervised.generation == s.generation {
		if awake.Now()-w.supervised.readyAt > steadyAfter {
			s.failures = 0
		}
		s.died("worker " + exit.String())
	}
}

// steadyAfter is how long a worker must have served for its death not to count
// as one of a row.
const steadyAfter = 10 * time.Second

// died delays the next start after each death of a row.
func (s *supervisor) died(why string) {
	s.failures++
	s.lastDeath = why
	delay := backoff(s.failures)
	s.spawnAt = awake.Now() + delay
	if s.failures >= crashLoop {
		s.pool.log.Error("workers keep dying", "failures", s.failures, "last", why, "next_start_in", delay)
	}
}

// crashLoop is the number of deaths in a row from which the log says so.
const crashLoop = 3

// backoff is the time before the next start: none after the first death, then
// 100 ms, doubled each time up to 30 s.
func backoff(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	return min(100*time.Millisecond<<min(failures-2, 16), 30*time.Second)
}

// onLinkEnded gives a worker whose sockets have ended a moment to exit.
func (s *supervisor) onLinkEnded(w *worker) {
	s.pool.dispatcher.Remove(&w.slots)
	if w.is(stateReady) && w.supervised.killAt == 0 {
		w.supervised.killAt = awake.Now() + process.ExitTimeout
	}
}

// replace lets w finish what it has, and starts another in its place.
func (s *supervisor) replace(w *worker, reason string) {
	if w.is(stateReady) {
		w.log.Warn("replacing worker", "reason", reason)
		w.supervised.replaced = true
		s.drain(w)
	}
}

// relieve has a worker replaced that could go on. It serves on until another is ready,
// and for as long as none can be started, or too many others are on their way out.
func (s *supervisor) relieve(w *worker, reason string) {
	if w.is(stateReady) && !w.supervised.due {
		w.supervised.due = true
		w.log.Info("worker is to be relieved", "reason", reason, "served", w.served.Load())
	}
}

// relieveDue has successors started for workers that are due, as long as no more are on
// their way out than are wanted.
func (s *supervisor) relieveDue() {
	leaving := func(w *worker) bool { return w.supervised.leaving && w.is(stateReady) }
	room := s.wanted - len(s.draining())
	for _, w := range s.workers {
		if leaving(w) {
			room--
		}
	}
	for _, w := range s.workers {
		if w.supervised.due && w.is(stateReady) && !w.supervised.leaving && room > 0 {
			w.supervised.leaving = true
			room--
		}
	}
}

// release lets the workers go that are to be relieved: there are as many others as are
// wanted.
func (s *supervisor) release() {
	for _, w := range s.workers {
		if w.supervised.leaving && w.is(stateReady) {
			s.drain(w)
		}
	}
}

// drain lets a worker finish what it has and exit, within the graceful timeout.
func (s *supervisor) drain(w *worker) {
	switch workerState(w.state.Load()) {
	case stateStarting:
		s.kill(w, process.Stopped, "it is not wanted any more")
	case stateReady:
		w.state.Store(int32(stateDraining))
		w.supervised.killAt = awake.Now() + w.cfg.GracefulTimeout
		s.pool.dispatcher.Remove(&w.slots)
		w.post((*link).retire)
	}
}

// kill ends a worker at once.
func (s *supervisor) kill(w *worker, why process.Cause, reason string) {
	booting := w.is(stateStarting)
	if !booting && !w.is(stateReady, stateDraining) {
		return
	}
	w.supervised.cause, w.supervised.killed = why, reason
	w.supervised.killAt = awake.Now() + unkillableAfter
	w.state.Store(int32(stateKilled))
	s.pool.dispatcher.Remove(&w.slots)
	if booting {
		w.cancel() // its goroutine has the process
	} else {
		w.proc.Kill()
	}
}

// unkillableAfter is how long a killed process is waited for. One that is stuck in
// the system, on a dead file server for instance, must not hold up a stop.
const unkillableAfter = 10 * time.Second

// giveUp forgets a process that does not die.
func (s *supervisor) giveUp(w *worker) {
	w.log.Error("worker cannot be killed")
	s.forget(w)
	if w.supervised.readyAt != 0 { // else there is no link
		w.post((*link).finish)
	}
}

// forget takes a worker out of the list.
func (s *supervisor) forget(w *worker) {
	s.workers = slices.DeleteFunc(slices.Clone(s.workers), func(o *worker) bool { return o == w })
	s.pool.setWorkers(s.workers)
	s.pool.metrics.Forget(&w.reports)
}

// watch looks after what nobody tells the supervisor: workers that drain for too
// long or give no sign of life, and requests that wait for too long.
func (s *supervisor) watch(now time.Duration) {
	for _, w := range slices.Clone(s.workers) {
		s.lastCall(w, now)
		switch {
		case w.supervised.killAt == 0 || now < w.supervised.killAt:
		case w.is(stateKilled):
			s.giveUp(w)
		default:
			s.kill(w, process.DrainTimeout, "its time to finish was over")
		}
	}
	s.ping(now)
	s.scaleByLoad(now)
	s.limitLife(now)
	s.limitMemory(now)
	deliverAll(s.pool.dispatcher.Widen(), nil)
	if t := s.config.QueueTimeout; t > 0 {
		for _, old := range s.pool.dispatcher.Expire(now - t) {
			c := callOf(old)
			c.toHome(nil, c.expired)
		}
	}
	if s.failures > 0 && s.steady(now) {
		s.failures = 0
	}
}

func (s *supervisor) steady(now time.Duration) bool {
	live := s.live(s.generation)
	for _, w := range live {
		if !w.is(stateReady) || now-w.supervised.readyAt < steadyAfter {
			return false
		}
	}
	return len(live) == s.wanted
}

// ping asks workers for a sign of life, and kills those that give none: stopped
// processes, or ones whose interpreter is blocked. They get twice the timeout, so
// that a request which hangs with its process has its 504 before.
func (s *supervisor) ping(now time.Duration) {
	limit := s.config.Timeout
	if limit <= 0 || now < s.pingAt {
		return
	}
	s.pingAt = now + min(limit/4, 10*time.Second)
	for _, w := range slices.Clone(s.workers) {
		if !w.is(stateReady, stateDraining) {
			continue
		}
		if silent := now - time.Duration(w.lastPong.Load()); silent > 2*limit {
			s.kill(w, process.Unresponsive, fmt.Sprintf("it gave no sign of life for %v", silent.Round(time.Millisecond)))
			continue
		}
		w.control.Ping([8]byte{})
	}
}
