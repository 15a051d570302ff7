package python

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// supervisor keeps as many workers as are wanted. All of it belongs to one
// goroutine; others give it functions by post.
type supervisor struct {
	pool *Pool

	mu     sync.Mutex
	queue  []func(*supervisor)
	signal chan struct{} // capacity 1
	done   chan struct{} // closed when no process is left after a stop

	workers    []*worker // those with a process, oldest first
	config     *Config   // of the present generation
	generation int
	wanted     int
	nextAge    int
	reload     *reload // under way
	everReady  bool
	stopping   bool

	failures  int       // deaths in a row
	lastDeath string    // why
	spawnAt   time.Time // not before
	pingAt    time.Time
}

// reload is a generation that is being started.
type reload struct {
	config     *Config
	generation int
	result     chan error
}

func newSupervisor(p *Pool, cfg *Config) *supervisor {
	return &supervisor{
		pool: p, signal: make(chan struct{}, 1), done: make(chan struct{}),
		config: cfg, generation: 1, wanted: cfg.Workers,
	}
}

// post runs fn on the supervisor's goroutine. It never blocks: each worker and
// each caller of the pool posts a few at a time.
func (s *supervisor) post(fn func(*supervisor)) {
	s.mu.Lock()
	s.queue = append(s.queue, fn)
	s.mu.Unlock()
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *supervisor) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for watchAt := time.Now(); ; {
		select {
		case <-s.signal:
		case <-timer.C:
		}
		s.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, fn := range queue {
			fn(s)
		}
		now := time.Now()
		if !now.Before(watchAt) {
			s.watch(now)
			watchAt = now.Add(time.Second)
		}
		if s.reconcile(now) {
			return
		}
		// Events may make it sooner, and never put it off.
		if next := now.Add(s.period()); next.Before(watchAt) {
			watchAt = next
		}
		timer.Reset(time.Until(watchAt))
	}
}

// period is how soon the supervisor looks after things that nobody tells it.
func (s *supervisor) period() time.Duration {
	p := time.Second
	if t := s.config.QueueTimeout; t > 0 {
		p = min(p, max(t/4, 10*time.Millisecond))
	}
	if t := s.config.Timeout; t > 0 {
		p = min(p, max(t/4, 50*time.Millisecond))
	}
	if d := time.Until(s.spawnAt); d > 0 {
		p = min(p, d)
	}
	for _, w := range s.workers {
		if !w.killAt.IsZero() {
			p = min(p, max(time.Until(w.killAt), time.Millisecond))
		}
	}
	return p
}

// reconcile starts and retires workers until they are those that are wanted. It
// returns true when all is over.
func (s *supervisor) reconcile(now time.Time) (over bool) {
	if s.stopping {
		if len(s.workers) == 0 {
			close(s.done)
			return true
		}
		return false
	}
	live := s.live(s.generation)
	switch {
	case len(live) < s.wanted:
		for n := len(live); n < s.wanted && s.maySpawn(now, live); n++ {
			s.spawn(s.config, s.generation)
			live = s.live(s.generation)
		}
	case len(live) > s.wanted:
		for _, w := range live[:len(live)-s.wanted] {
			s.drain(w)
		}
	}
	s.limitDraining()
	return false
}

// maySpawn tells whether a worker may be started now: after a death, not before
// its delay is over, and then one at a time.
func (s *supervisor) maySpawn(now time.Time, live []*worker) bool {
	if s.failures == 0 {
		return true
	}
	booting := slices.ContainsFunc(live, func(w *worker) bool { return w.is(stateStarting) })
	return !booting && !now.Before(s.spawnAt)
}

// live returns the workers of a generation that are starting or ready.
func (s *supervisor) live(generation int) []*worker {
	var live []*worker
	for _, w := range s.workers {
		if w.generation == generation && w.is(stateStarting, stateReady) {
			live = append(live, w)
		}
	}
	return live
}

func (w *worker) is(states ...workerState) bool {
	return slices.Contains(states, workerState(w.state.Load()))
}

// limitDraining kills the oldest of the draining workers when there are more than
// workers wanted: each costs as much memory as one that works.
func (s *supervisor) limitDraining() {
	var draining []*worker
	for _, w := range s.workers {
		if w.is(stateDraining) {
			draining = append(draining, w)
		}
	}
	for len(draining) > s.wanted {
		s.kill(draining[0], "too many workers are draining")
		draining = draining[1:]
	}
}

func (s *supervisor) spawn(cfg *Config, generation int) {
	s.nextAge++
	w := &worker{
		pool: s.pool, cfg: cfg, age: s.nextAge, generation: generation,
		log: s.pool.log.With("worker", s.nextAge), born: time.Now(), loop: s.pickLoop(),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	s.workers = append(slices.Clone(s.workers), w)
	s.pool.setWorkers(s.workers)
	go w.boot()
}

// pickLoop returns the loop with the fewest links, of those that are active: a
// loop that does nothing else should sleep.
func (s *supervisor) pickLoop() *loop.Loop {
	loops := s.pool.engine.Loops()
	active := min(max(s.pool.engine.Active(), 1), len(loops))
	best, fewest := loops[0], len(s.workers)+1
	for _, l := range loops[:active] {
		n := 0
		for _, w := range s.workers {
			if w.loop == l {
				n++
			}
		}
		if n < fewest {
			best, fewest = l, n
		}
	}
	return best
}

// onReady is called when a worker can take calls.
func (s *supervisor) onReady(w *worker) {
	if !w.is(stateStarting) {
		w.proc.kill() // it was to end before it was ready
		return
	}
	w.state.Store(int32(stateReady))
	w.readyAt = time.Now()
	w.log.Info("worker ready", "model", w.info.Model, "python", w.info.Python)
	if r := s.reload; r != nil && w.generation == r.generation {
		s.finishReload()
		return
	}
	if w.generation == s.generation {
		s.admit(w)
		s.everReady = true
		s.pool.firstReady(&w.info, nil)
	}
}

// admit gives calls to a ready worker.
func (s *supervisor) admit(w *worker) {
	s.pool.wholeBodies.Store(w.info.wholeBody)
	for _, c := range s.pool.dispatcher.add(w) {
		w.link.deliver(c, nil)
	}
}

// finishReload changes over to the new generation once all of it is ready.
func (s *supervisor) finishReload() {
	r := s.reload
	ready := s.live(r.generation)
	for _, w := range ready {
		if !w.is(stateReady) {
			return
		}
	}
	if len(ready) < r.config.Workers {
		return
	}
	s.reload = nil
	s.config, s.generation, s.wanted = r.config, r.generation, r.config.Workers
	s.failures, s.spawnAt = 0, time.Time{}
	s.pool.current.Store(r.config)
	s.pool.info.Store(&ready[0].info)
	s.everReady = true
	s.pool.firstReady(&ready[0].info, nil)
	for _, w := range ready {
		s.admit(w)
	}
	for _, w := range slices.Clone(s.workers) {
		if w.generation != r.generation {
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
		s.reload = &reload{config: cfg, generation: s.lastGeneration() + 1, result: result}
		for range cfg.Workers {
			s.spawn(cfg, s.reload.generation)
		}
	}
}

// lastGeneration is the highest number in use, also by a reload that has failed
// and whose workers are still going.
func (s *supervisor) lastGeneration() int {
	n := s.generation
	for _, w := range s.workers {
		n = max(n, w.generation)
	}
	return n
}

// failReload gives up a generation of which a worker has failed. The present one
// serves on.
func (s *supervisor) failReload(err error) {
	r := s.reload
	s.reload = nil
	for _, w := range s.live(r.generation) {
		s.kill(w, "the reload has failed")
	}
	r.result <- err
}

// onBootFailed is called when a worker did not become ready. Its process has gone.
func (s *supervisor) onBootFailed(w *worker, err error) {
	s.forget(w)
	switch {
	case s.stopping || w.is(stateKilled):
	case s.reload != nil && w.generation == s.reload.generation:
		s.failReload(err)
	case w.generation != s.generation:
	case !s.everReady:
		s.pool.firstReady(nil, err)
		s.stop(time.Time{})
	default:
		s.pool.logBootError(w, err)
		s.died(err.Error())
	}
}

// onExited is called when a process that had been ready is gone.
func (s *supervisor) onExited(w *worker) {
	s.forget(w)
	exit := w.proc.exit
	switch {
	case w.is(stateDraining):
		w.log.Info("worker finished", "exit", exit.String(), "served", w.served.Load())
	case w.is(stateKilled):
		w.log.Warn("worker killed", "reason", w.killed, "served", w.served.Load())
	default:
		s.pool.counts.crashed.Add(1)
		w.log.Error("worker died", "exit", exit.String(), "served", w.served.Load())
	}
	wasReady := w.is(stateReady)
	w.state.Store(int32(stateExited))
	s.pool.dispatcher.remove(w)
	if r := s.reload; r != nil && w.generation == r.generation {
		s.failReload(&BootError{Phase: "start", Message: "a worker " + exit.String() + " right after it was ready"})
		return
	}
	if wasReady && w.generation == s.generation {
		if time.Since(w.readyAt) > steadyAfter {
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
	s.spawnAt = time.Now().Add(delay)
	if s.failures >= crashLoop {
		s.pool.log.Error("workers keep dying", "in a row", s.failures, "last", why, "next start in", delay)
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
	s.pool.dispatcher.remove(w)
	if w.is(stateReady) && w.killAt.IsZero() {
		w.killAt = time.Now().Add(exitPatience)
	}
}

// replace lets w finish what it has, and starts another in its place.
func (s *supervisor) replace(w *worker, reason string) {
	if w.is(stateReady) {
		w.log.Warn("replacing worker", "reason", reason)
		s.drain(w)
	}
}

// drain lets a worker finish what it has and exit, within the graceful timeout.
func (s *supervisor) drain(w *worker) {
	switch workerState(w.state.Load()) {
	case stateStarting:
		s.kill(w, "it is not wanted any more")
	case stateReady:
		w.state.Store(int32(stateDraining))
		w.killAt = time.Now().Add(w.cfg.GracefulTimeout)
		s.pool.dispatcher.remove(w)
		w.post((*link).retire)
	}
}

// kill ends a worker at once.
func (s *supervisor) kill(w *worker, reason string) {
	booting := w.is(stateStarting)
	if !booting && !w.is(stateReady, stateDraining) {
		return
	}
	w.killed = reason
	w.killAt = time.Now().Add(unkillableAfter)
	w.state.Store(int32(stateKilled))
	s.pool.dispatcher.remove(w)
	if booting {
		w.cancel() // its goroutine has the process
	} else {
		w.proc.kill()
	}
}

// unkillableAfter is how long a killed process is waited for. One that is stuck in
// the system, on a dead file server for instance, must not hold up a stop.
const unkillableAfter = 10 * time.Second

// giveUp forgets a process that does not die.
func (s *supervisor) giveUp(w *worker) {
	w.log.Error("worker cannot be killed")
	s.forget(w)
	if !w.readyAt.IsZero() { // else there is no link
		w.post((*link).finish)
	}
}

// forget takes a worker out of the list.
func (s *supervisor) forget(w *worker) {
	s.workers = slices.DeleteFunc(slices.Clone(s.workers), func(o *worker) bool { return o == w })
	s.pool.setWorkers(s.workers)
}

// watch looks after what nobody tells the supervisor: workers that drain for too
// long or give no sign of life, and requests that wait for too long.
func (s *supervisor) watch(now time.Time) {
	for _, w := range slices.Clone(s.workers) {
		switch {
		case w.killAt.IsZero() || now.Before(w.killAt):
		case w.is(stateKilled):
			s.giveUp(w)
		default:
			s.kill(w, "its time to finish was over")
		}
	}
	s.ping(now)
	if t := s.config.QueueTimeout; t > 0 {
		for _, c := range s.pool.dispatcher.expire(now.Add(-t)) {
			c.toHome(nil, c.expired)
		}
	}
	if s.failures > 0 && s.steady(now) {
		s.failures = 0
	}
}

func (s *supervisor) steady(now time.Time) bool {
	live := s.live(s.generation)
	for _, w := range live {
		if !w.is(stateReady) || now.Sub(w.readyAt) < steadyAfter {
			return false
		}
	}
	return len(live) == s.wanted
}

// ping asks workers for a sign of life, and kills those that give none: stopped
// processes, or ones whose interpreter is blocked. They get twice the timeout, so
// that a request which hangs with its process has its 504 before.
func (s *supervisor) ping(now time.Time) {
	limit := s.config.Timeout
	if limit <= 0 || now.Before(s.pingAt) {
		return
	}
	s.pingAt = now.Add(min(limit/4, 10*time.Second))
	for _, w := range slices.Clone(s.workers) {
		if !w.is(stateReady, stateDraining) {
			continue
		}
		if silent := now.Sub(time.Unix(0, w.lastPong.Load())); silent > 2*limit {
			s.kill(w, fmt.Sprintf("it gave no sign of life for %v", silent.Round(time.Millisecond)))
			continue
		}
		w.control.ping([8]byte{})
	}
}

// scale changes the number of workers wanted.
func (s *supervisor) scale(delta int) {
	s.wanted = max(1, s.wanted+delta)
	s.pool.log.Info("number of workers changed", "wanted", s.wanted)
}

// stop drains all workers; those that are left at the deadline are killed. A zero
// deadline kills them at once.
func (s *supervisor) stop(deadline time.Time) {
	s.stopping = true
	if s.reload != nil {
		s.failReload(errStopped)
	}
	for _, w := range slices.Clone(s.workers) {
		if deadline.IsZero() {
			s.kill(w, "the server is stopping")
			continue
		}
		s.drain(w)
		if !w.killAt.IsZero() && deadline.Before(w.killAt) {
			w.killAt = deadline
		}
	}
}
