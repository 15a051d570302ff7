package python

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/report"
	"github.com/asteri/asteri-loop/workers/python/internal/scale"
)

// supervisor keeps as many workers as are wanted. Its times are those of the clock of
// deadlines. All of it belongs to one
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
	awaiting   bool // no worker could boot, and none is started until a reload
	stopping   bool

	failures  int           // deaths in a row
	lastDeath string        // why
	spawnAt   time.Duration // not before
	pingAt    time.Duration
	staffing  staffing // how many are wanted
	measuring bool     // the memory of workers
	measureAt time.Duration

	compiled  compiledFor     // the shim, last
	compiling bool            // a process does
	ctx       context.Context // of that process: to the stop
	cancel    context.CancelFunc
}

// supervised is what the supervisor knows of a worker.
type supervised struct {
	generation int
	readyAt    time.Duration
	killAt     time.Duration // when a draining worker is killed; 0: not
	killed     string        // why it was, if it was
	cause      process.Cause // the same, to be counted
	called     bool          // its clients were sent away, shortly before killAt
	surplus    bool          // it drains because fewer workers are wanted
	replaced   bool          // it drains because it had to be replaced
	due        bool          // it is to be relieved
	leaving    bool          // and serves until the other is ready that is being started for it
}

type workerState int32

const (
	stateStarting workerState = iota
	stateReady
	stateDraining
	stateKilled // not reaped yet
	stateExited
)

func newSupervisor(p *Pool, cfg *Config) *supervisor {
	s := &supervisor{
		pool: p, signal: make(chan struct{}, 1), done: make(chan struct{}),
		config: cfg, generation: 1, wanted: cfg.Workers,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
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
	for watchAt := awake.Now(); ; {
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
		now := awake.Now()
		if now >= watchAt {
			s.watch(now)
			watchAt = now + time.Second
		}
		if s.reconcile(now) {
			return
		}
		// Events may make it sooner, and never put it off.
		watchAt = min(watchAt, now+s.period())
		timer.Reset(max(watchAt-awake.Now(), 0))
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
	if s.config.scales() {
		p = min(p, scale.Period)
	}
	if d := s.spawnAt - awake.Now(); d > 0 {
		p = min(p, d)
	}
	for _, w := range s.workers {
		switch {
		case w.supervised.killAt == 0:
		case w.is(stateDraining) && !w.supervised.called:
			p = min(p, max(w.supervised.lastCallAt(w.cfg.GracefulTimeout)-awake.Now(), time.Millisecond))
		default:
			p = min(p, max(w.supervised.killAt-awake.Now(), time.Millisecond))
		}
	}
	return p
}

// reconcile starts and retires workers until they are those that are wanted. It
// returns true when all is over.
func (s *supervisor) reconcile(now time.Duration) (over bool) {
	if s.stopping {
		if len(s.workers) == 0 && !s.compiling {
			close(s.done)
			return true
		}
		return false
	}
	if s.reload != nil {
		s.finishReload()
	}
	s.relieveDue()
	live := s.live(s.generation)
	switch {
	case s.awaiting:
	case len(live) < s.wanted:
		for n := len(live); n < s.wanted && s.maySpawn(now, live); n++ {
			s.spawn(s.config, s.generation)
			live = s.live(s.generation)
		}
	case len(live) > s.wanted:
		for _, w := range live[:len(live)-s.wanted] {
			w.supervised.surplus = true
			s.drain(w)
		}
	}
	if len(live) == s.wanted && !anyStarting(live) {
		s.release()
	}
	s.limitDraining()
	return false
}

// maySpawn tells whether a worker may be started now: after a death, not before
// its delay is over, and then one at a time.
func (s *supervisor) maySpawn(now time.Duration, live []*worker) bool {
	if s.failures == 0 {
		return true
	}
	return !anyStarting(live) && now >= s.spawnAt
}

func anyStarting(all []*worker) bool {
	return slices.ContainsFunc(all, func(w *worker) bool { return w.is(stateStarting) })
}

// live returns the workers of a generation that are starting or ready, and to stay.
func (s *supervisor) live(generation int) []*worker {
	var live []*worker
	for _, w := range s.workers {
		if w.supervised.generation == generation && w.is(stateStarting, stateReady) && !w.supervised.leaving {
			live = append(live, w)
		}
	}
	return live
}

func (w *worker) is(states ...workerState) bool {
	return slices.Contains(states, workerState(w.state.Load()))
}

// draining returns the workers that finish what they have, the oldest first, but for
// those that are not wanted any more: there was room for them.
func (s *supervisor) draining() []*worker {
	var draining []*worker
	for _, w := range s.workers {
		if w.is(stateDraining) && !w.supervised.surplus {
			draining = append(draining, w)
		}
	}
	return draining
}

// limitDraining kills the oldest of the workers that had to be replaced when more of them
// are draining than workers are wanted: each costs as much memory as one that works. Reloads
// and reliefs wait for those before them instead.
func (s *supervisor) limitDraining() {
	replaced := slices.DeleteFunc(s.draining(), func(w *worker) bool { return !w.supervised.replaced })
	for len(replaced) > s.wanted {
		s.kill(replaced[0], process.DrainTimeout, "too many workers are draining")
		replaced = replaced[1:]
	}
}

func (s *supervisor) spawn(cfg *Config, generation int) {
	s.nextAge++
	s.pool.counts.started.Add(1)
	w := &worker{
		pool: s.pool, cfg: cfg, age: s.nextAge, supervised: supervised{generation: generation},
		log: s.pool.log.With("worker_number", s.nextAge), born: time.Now(), loop: s.pickLoop(),
		parted: make(chan struct{}), reports: report.Worker{Generation: generation},
	}
	if cfg.MaxRequests > 0 {
		w.term = uint64(cfg.MaxRequests + rand.IntN(cfg.MaxRequestsJitter+1))
	}
	if cfg.MaxLifetime > 0 {
		w.life = cfg.MaxLifetime + rand.N(cfg.MaxLifetime/10+1)
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
		w.proc.Kill() // it was to end before it was ready
		return
	}
	w.state.Store(int32(stateReady))
	w.supervised.readyAt = awake.Now()
	w.log.Info("worker ready", "model", w.info.Model, "python", w.info.Python)
	s.compileFor(w)
	if w.supervised.generation == s.generation { // else it takes calls when its reload is finished
		s.admit(w)
		s.everReady = true
		s.pool.firstReady(&w.info, nil)
	}
}

// admit gives calls to a ready worker.
func (s *supervisor) admit(w *worker) {
	s.pool.wholeBodies.Store(w.info.wholeBody)
	for _, t := range s.pool.dispatcher.Add(&w.slots) {
		w.link.deliver(callOf(t), nil)
	}
}

// stop drains all workers; those that are left at the deadline are killed. A zero
// deadline kills them at once.
func (s *supervisor) stop(deadline time.Duration) {
	s.stopping = true
	s.cancel()
	if s.reload != nil {
		s.failReload(errStopped)
	}
	for _, w := range slices.Clone(s.workers) {
		if deadline == 0 {
			s.kill(w, process.Stopped, "the server is stopping")
			continue
		}
		s.drain(w)
		if w.supervised.killAt != 0 && deadline < w.supervised.killAt {
			w.supervised.killAt = deadline
		}
	}
}
