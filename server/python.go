package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers/python"
)

// pythonApp is a Python application and the pool of workers that run it.
type pythonApp struct {
	pool   atomic.Pointer[python.Pool]
	server *Server
	cfg    python.Config // as at the start
	log    *slog.Logger  // says which application it is about, where there are several
	ready  atomic.Bool

	development appDevelopment

	// Of one that could not be started beside others: see revival.go.
	down     atomic.Pointer[error] // why it does not serve; nil while it does
	revived  chan struct{}         // closed when it serves after all
	reviving sync.Mutex            // held by who starts a pool in the place of one that has failed, for:
	next     python.Config         // the settings of the next try
	closed   bool
}

// ServeExchange implements asteri.Handler.
func (a *pythonApp) ServeExchange(x asteri.Exchange) { a.pool.Load().ServeExchange(x) }

// startPython starts the workers of an application, which is mounted at a place or, if
// that is empty, the server's own.
func (s *Server) startPython(m *Mount, at string) (_ *pythonApp, err error) {
	a := &pythonApp{server: s, log: s.log, revived: make(chan struct{})}
	if at != "" {
		a.log = s.log.With("app", at)
	}
	a.cfg = s.pythonConfig(m)
	a.cfg.Logger = cmp.Or(m.Python.Logger, a.log)
	d := &a.development
	d.developer, d.tracebacks, d.hosts = s.development, s.cfg.Development.Tracebacks, s.cfg.Status.Hosts
	d.complete(&a.cfg)
	if d.developer != nil {
		d.developer.join(a)
	}
	a.next = a.cfg
	pool, err := python.Start(s.engine, a.cfg)
	a.pool.Store(pool)
	return a, err
}

// pythonConfig completes what the server knows.
func (s *Server) pythonConfig(m *Mount) python.Config {
	c := *m.Python
	c.GracefulTimeout = cmp.Or(c.GracefulTimeout, max(s.cfg.Engine.GracefulTimeout, 0))
	c.ServerSoftware = cmp.Or(c.ServerSoftware, s.cfg.software())
	c.RequestIDField = cmp.Or(c.RequestIDField, s.cfg.RequestID)
	c.Logger = cmp.Or(c.Logger, s.log)
	c.WebSocket.Grace = cmp.Or(c.WebSocket.Grace, c.GracefulTimeout)
	c.WebSocket.Logger = cmp.Or(c.WebSocket.Logger, s.log)
	if !m.WholePath {
		c.RootPath = cmp.Or(c.RootPath, m.prefix())
	}
	return c
}

// Ready waits for the first worker.
func (a *pythonApp) Ready(ctx context.Context) error {
	_, err := a.pool.Load().Ready(ctx)
	a.ready.Store(err == nil)
	err = bootFailure(err)
	logTraceback(a.log, err)
	if a.development.started(a.cfg.App, err, a.server.started) && err != nil && !a.server.cfg.StrictStart {
		a.log.Error("The application cannot be started until its files change: " + err.Error())
		return nil // the developer is told, and repairs it
	}
	return err
}

// drainer is an application that is told as soon as the server drains.
type drainer interface{ drain() }

func (a *pythonApp) drain() { a.pool.Load().Drain() }

// Close has the workers finish what they have. The server's own context is done by now, so
// that no try to start it takes long.
func (a *pythonApp) Close(ctx context.Context) {
	a.reviving.Lock()
	a.closed = true
	a.reviving.Unlock()
	if ctx.Err() != nil {
		a.pool.Load().Kill()
		return
	}
	a.pool.Load().Stop(ctx)
}

// Scale implements Staff, and what follows does.
func (a *pythonApp) Scale(delta int) int      { return a.pool.Load().Scale(delta) }
func (a *pythonApp) Resize(n int) int         { return a.pool.Load().Resize(n) }
func (a *pythonApp) Restart(pid int) error    { return a.pool.Load().Restart(pid) }
func (a *pythonApp) KillWorker(pid int) error { return a.pool.Load().KillWorker(pid) }
func (a *pythonApp) Stacks(ctx context.Context, pid int) (map[string]string, error) {
	return a.pool.Load().Stacks(ctx, pid)
}

// Gather implements prometheus.Gatherer.
func (a *pythonApp) Gather() ([]*dto.MetricFamily, error) { return a.pool.Load().Gather() }

// errNoWorker is the answer of /readyz while all workers are starting or gone.
var errNoWorker = errors.New("no worker is ready")

// Health tells whether there is a worker that takes requests.
func (a *pythonApp) Health() error {
	for _, w := range a.pool.Load().Snapshot().Workers {
		if w.State == "IDLE" || w.State == "BUSY" {
			return nil
		}
	}
	return errNoWorker
}

// Describe tells what the workers have found.
func (a *pythonApp) Describe() Description {
	d := Description{Application: status.Application{Name: a.cfg.App}, Workers: max(a.cfg.Workers, 1)}
	if err := a.isDown(); err != nil {
		d.State, d.Error = status.ApplicationFailed, err.Error()
	}
	if !a.ready.Load() {
		return d
	}
	if info, err := a.pool.Load().Ready(context.Background()); err == nil { // which now does not wait
		d.Interface, d.Model, d.Why = info.Interface, info.Model, info.Why
		d.Runtime = info.Implementation + " " + info.Python
		if info.FreeThreaded {
			d.Runtime += ", free-threaded, with its lock"
		}
		d.Runtime += " (" + info.Interpreter + ")"
	}
	return d
}

// Report lists the workers.
func (a *pythonApp) Report(r *status.Report) {
	pool := a.pool.Load()
	ReportWebSockets(r, pool.WebSockets())
	s := pool.Snapshot()
	r.Queue = &status.Queue{Waiting: s.Queued, Capacity: s.QueueSize}
	r.Scaling = []status.Scaling{a.scaling(&s)}
	for _, w := range s.Workers {
		r.Workers = append(r.Workers, status.Worker{
			PID: w.PID, Model: w.Model, App: a.cfg.App, State: shownState(w.State), InFlight: w.InFlight, Served: w.Served, Frames: w.Frames,
			WebSockets: w.Sockets, Age: seconds(time.Since(w.Started)), Recycling: recycling(w),
		})
	}
	for _, m := range pool.Memory() {
		r.Memory = append(r.Memory, status.RouteMemory{
			Method: m.Method, Route: m.Route, App: a.cfg.App, Requests: m.Requests, Grown: m.Grown, Most: m.Most,
		})
	}
}

// scaling is how many workers there are to be.
func (a *pythonApp) scaling(s *python.Snapshot) status.Scaling {
	n := s.Staffing
	return status.Scaling{App: a.cfg.App, Wanted: n.Wanted, Least: n.Least, Most: n.Most, Load: n.Load, Fixed: n.Fixed}
}

// recycling foretells when a worker is relieved, by its pace so far.
func recycling(w python.WorkerStatus) *status.Recycling {
	if w.Term == 0 {
		return nil
	}
	r := &status.Recycling{Requests: w.Term - min(w.Served, w.Term)}
	if w.Served > 0 {
		r.Seconds = seconds(time.Since(w.Started)) * float64(r.Requests) / float64(w.Served)
	}
	return r
}

// shownState is the pool's word for a state in the operator's words: a worker that was
// killed is one that is being replaced.
func shownState(state string) string {
	if state == "KILLED" {
		return "RESTARTING"
	}
	return state
}

// Pools tells about the pool.
func (a *pythonApp) Pools() []status.PoolMeasures {
	pool := a.pool.Load()
	s := pool.Snapshot()
	p := status.PoolMeasures{
		Model: a.cfg.Model, Queued: s.Queued, QueueSize: s.QueueSize,
		Refused: s.Refused, Expired: s.Expired, TimedOut: s.TimedOut, Retried: s.Retried,
		Started: s.Started, Exited: s.Exits, MetricsDropped: pool.MetricsDropped(),
	}
	scaling := a.scaling(&s)
	p.Scaling = &scaling
	for _, w := range s.Workers {
		p.InFlight += w.InFlight
	}
	return []status.PoolMeasures{p}
}

// Reload replaces the workers, or tries to start those that could not be started.
func (a *pythonApp) Reload(ctx context.Context, next *Mount) error {
	c := a.server.pythonConfig(next)
	c.Chdir = a.cfg.Chdir // where paths of the settings are relative to
	a.development.complete(&c)
	if a.isDown() != nil {
		c.Logger = a.cfg.Logger
		return a.revive(ctx, &c)
	}
	return a.replaceWorkers(ctx, c)
}

// replaceWorkers has workers with the settings c and new code take over from those that serve.
func (a *pythonApp) replaceWorkers(ctx context.Context, c python.Config) error {
	began := time.Now()
	err := bootFailure(a.pool.Load().Reload(ctx, c))
	logTraceback(a.log, err)
	a.ready.Store(a.ready.Load() || err == nil)
	if a.development.started(c.App, err, began) && a.development.developer != nil {
		a.development.developer.refreshed()
	}
	return err
}

// checkPython imports the application as a worker would.
func (s *Server) checkPython(ctx context.Context, m *Mount) error {
	info, err := python.Check(ctx, s.pythonConfig(m))
	if err != nil {
		err = bootFailure(err)
		logTraceback(s.log, err)
		return err
	}
	s.log.Info("The application can be served", "app", m.Python.App, "interface", info.Interface, "model", info.Model, "python", info.Python, "interpreter", info.Interpreter)
	return nil
}

// notReady says in one line why an application does not start, and what to do about it.
type notReady struct{ *python.BootError }

func (e notReady) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Unwrap returns the rest of what is known, such as the traceback.
func (e notReady) Unwrap() error { return e.BootError }

// bootFailure has an error of a worker that did not start say why in one line.
func bootFailure(err error) error {
	var boot *python.BootError
	if !errors.As(err, &boot) {
		return err
	}
	return notReady{boot}
}

// logTraceback logs the traceback of a worker that did not start, if there is one.
func logTraceback(l *slog.Logger, err error) {
	if boot := (*python.BootError)(nil); errors.As(err, &boot) && boot.Traceback != "" {
		l.Error("A worker did not start", "phase", boot.Phase, "traceback", boot.Traceback)
	}
}

// ReportWebSockets adds an application's WebSockets to a status report.
func ReportWebSockets(r *status.Report, st websocket.Stats) {
	if st.Opened == 0 && st.Refused == 0 {
		return
	}
	if r.WebSockets == nil {
		r.WebSockets = &status.WebSockets{Failures: map[string]uint64{}}
	}
	w := r.WebSockets
	w.Open += st.Open
	w.Opened += st.Opened
	w.Refused += st.Refused
	w.MessagesIn += st.MessagesIn
	w.MessagesOut += st.MessagesOut
	w.Silent += st.Silent
	w.Stalled += st.Stalled
	w.NotAnswered += st.NotAnswered
	for reason, n := range st.Failures {
		w.Failures[reason] += n
	}
}
