package python

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers/internal/spool"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/report"
)

// Engine is what a pool needs of a loop.Engine: its loops, of which the first
// Active ones get the workers' links, and which Start has run if they do not yet.
type Engine interface {
	Start()
	Loops() []*loop.Loop
	Active() int
}

// Pool is a set of supervised worker processes that run one application. It is an
// asteri.Handler. The loops of its engine must run to after its stop: it is stopped
// before the engine is closed.
type Pool struct {
	engine     Engine
	log        *slog.Logger
	spools     *spool.Store
	dispatcher *dispatch.Dispatcher
	supervisor *supervisor
	sockets    *websocket.Server

	current     atomic.Pointer[Config]
	info        atomic.Pointer[Info]
	wholeBodies atomic.Bool // requests are given to workers with their whole body
	workers     atomic.Pointer[[]*worker]
	staffing    atomic.Pointer[Staffing]
	counts      counts
	spareCalls  sync.Pool // of *call
	metrics     *report.Metrics
	routes      report.Routes
	program     atomic.Pointer[[]byte] // PROGRAM with the shim's code; nil while none was made

	socketsWarned atomic.Int64 // when the log was last told that there are too many, by the clock of deadlines; 0: never

	readyOnce sync.Once
	ready     chan struct{} // closed at the first READY, or failure
	readyErr  error
}

// counts are what has happened since the start.
type counts struct {
	refused, expired, retried, timedOut, started atomic.Uint64
	exits                                        process.Exits
}

var _ asteri.Handler = (*Pool)(nil)

var (
	errStopped   = errors.New("the worker pool is stopped")
	errReloading = errors.New("a reload is under way already")
)

// perWorker is how many descriptors a worker takes in the front, while it starts and
// with its successor beside it.
const perWorker = 12

// forCompiling is how many the process takes that compiles the shim.
const forCompiling = 6

// Start starts the workers and returns without waiting for them: see Ready. It starts the
// engine, too, if that was not done before, since workers are connected to loops that run.
// It returns loop.ErrStopped if the engine is closed.
func Start(engine Engine, cfg Config) (*Pool, error) {
	engine.Start()
	if !engine.Loops()[0].Running() {
		return nil, loop.ErrStopped
	}
	cfg = cfg.withDefaults()
	cfg.python().WarnOfEnvironments()
	p := newPool(&cfg)
	p.engine = engine
	p.supervisor = newSupervisor(p, &cfg)
	reserved := perWorker*max(cfg.Workers, cfg.MaxWorkers) + forCompiling
	descriptors.Reserve(reserved)
	go func() {
		p.supervisor.run()
		descriptors.Reserve(-reserved)
	}()
	return p, nil
}

func newPool(cfg *Config) *Pool {
	p := &Pool{
		log: cfg.Logger, spools: spool.NewStore(cfg.TempDir),
		dispatcher: dispatch.New(cfg.QueueSize), ready: make(chan struct{}),
		metrics: report.NewMetrics(cfg.Logger),
	}
	w := cfg.WebSocket
	w.CheckOrigin, w.Logger = websocket.AnyOrigin, cfg.Logger
	p.sockets = websocket.NewServer(w)
	p.current.Store(cfg)
	p.staffing.Store(&Staffing{Wanted: cfg.Workers})
	return p
}

// firstReady ends the waiting for the first worker.
func (p *Pool) firstReady(info *Info, err error) {
	p.readyOnce.Do(func() {
		if info != nil {
			p.info.Store(info)
		}
		p.readyErr = err
		close(p.ready)
	})
}

// Ready waits until the first worker is ready and returns what it found. If it
// could not boot, the error is a *BootError, and the pool has stopped or, with
// Config.AwaitReload, waits for a Reload: it returns the error until one has succeeded.
func (p *Pool) Ready(ctx context.Context) (Info, error) {
	select {
	case <-p.ready:
		if info := p.info.Load(); info != nil {
			return *info, nil
		}
		return Info{}, p.readyErr
	case <-ctx.Done():
		return Info{}, ctx.Err()
	}
}

// Reload starts workers with cfg and, once all are ready, lets the present ones
// finish and exit. If one of them cannot boot, it returns a *BootError and the
// present workers serve on. QueueSize, TempDir and Logger stay as they are.
func (p *Pool) Reload(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	cfg.python().WarnOfEnvironments()
	result := make(chan error, 1)
	p.supervisor.post(func(s *supervisor) { s.startReload(&cfg, result) })
	select {
	case err := <-result:
		return err
	case <-p.supervisor.done:
		return errStopped
	case <-ctx.Done():
		p.supervisor.post(func(s *supervisor) {
			if s.reload != nil && s.reload.result == result {
				s.failReload(ctx.Err())
			}
		})
		return ctx.Err()
	}
}

// Scale changes the number of workers by delta, and Resize to n; one stays in any case. That
// number stays until a Reload: the load changes it no more. They return how many there are
// to be now, 0 if the pool has stopped.
func (p *Pool) Scale(delta int) int { return p.scale(func(wanted int) int { return wanted + delta }) }

// Resize is described at Scale.
func (p *Pool) Resize(n int) int { return p.scale(func(int) int { return n }) }

func (p *Pool) scale(to func(wanted int) int) int {
	now := make(chan int, 1)
	p.supervisor.post(func(s *supervisor) { s.fix(to(s.wanted)); now <- s.wanted })
	select {
	case n := <-now:
		return n
	case <-p.supervisor.done:
		return 0
	}
}

// Drain tells applications that the server has begun to drain, so that those of ASGI may
// end their streams in order. Requests are served on; Stop is to follow.
func (p *Pool) Drain() {
	p.supervisor.post(func(s *supervisor) {
		for _, w := range s.workers {
			if w.is(stateReady) {
				w.post((*link).drain)
			}
		}
	})
}

// Stop gives no more requests to workers and waits until they have finished those
// that they have and exited; those left after the graceful timeout, or when ctx is
// done, are killed. Requests that still wait are answered 503.
func (p *Pool) Stop(ctx context.Context) {
	now := awake.Now()
	deadline := now + p.config().GracefulTimeout
	if end, ok := ctx.Deadline(); ok { // workers have their last call before it
		deadline = min(deadline, now+max(time.Until(end), time.Millisecond))
	}
	p.supervisor.post(func(s *supervisor) { s.stop(deadline) })
	select {
	case <-p.supervisor.done:
	case <-ctx.Done():
	}
	p.Kill()
}

// Kill stops the pool at once and waits until no process is left.
func (p *Pool) Kill() {
	p.supervisor.post(func(s *supervisor) { s.stop(0) })
	<-p.supervisor.done
	p.dispatcher.Close()
	p.refuseWaiting()
}

// refuseWaiting answers 503 to all who wait for a worker.
func (p *Pool) refuseWaiting() {
	for _, old := range p.dispatcher.Expire(awake.Now() + time.Hour) {
		c := callOf(old)
		c.toHome(nil, c.stopped)
	}
}

func (p *Pool) config() *Config { return p.current.Load() }

func (p *Pool) setWorkers(ws []*worker) { p.workers.Store(&ws) }

// logBootError logs what Ready and Reload return.
func (p *Pool) logBootError(w *worker, err error) {
	var boot *BootError
	if !errors.As(err, &boot) {
		p.log.Error("worker failed to boot", "worker_number", w.age, "error", err)
		return
	}
	p.log.Error("worker failed to boot", "worker_number", w.age, "phase", boot.Phase,
		"error", boot.Message, "hint", boot.Hint, "traceback", boot.Traceback)
}

// WebSockets returns the counters of the pool's WebSockets.
func (p *Pool) WebSockets() websocket.Stats { return p.sockets.Stats() }

// Check boots one worker as far as READY and ends it again: it tells whether the
// application can be imported and run as configured. The error is a *BootError.
func Check(ctx context.Context, cfg Config) (Info, error) {
	cfg = cfg.withDefaults()
	cfg.python().WarnOfEnvironments()
	p := newPool(&cfg)
	defer p.dispatcher.Close()
	w := &worker{pool: p, cfg: &cfg, age: 1, log: cfg.Logger}
	w.ctx, w.cancel = context.WithCancel(ctx)
	defer w.cancel()
	info, err := w.start(true)
	if err != nil {
		return Info{}, err
	}
	select {
	case <-w.proc.Exited:
	case <-time.After(process.ExitTimeout):
		w.proc.Kill()
		<-w.proc.Exited
	}
	w.proc.Close()
	return info, nil
}
