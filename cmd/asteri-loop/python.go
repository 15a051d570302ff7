package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
)

// pythonApp is a Python application and the pool of workers that run it.
type pythonApp struct {
	*python.Pool
	cfg   *config.Config
	logs  *logs
	log   *slog.Logger // says which application it is about, where there are several
	ready atomic.Bool
}

// newPythonApp starts the workers of an application, which is mounted at a place or, if
// that is empty, the server's own.
func newPythonApp(eng *loop.Engine, cfg *config.Config, at string, l *logs) (application, error) {
	a := &pythonApp{cfg: cfg, logs: l, log: l.Logger}
	if at != "" {
		a.log = l.With("app", at)
	}
	c := pythonConfig(cfg, l)
	c.Logger = a.log
	var err error
	if a.Pool, err = python.Start(eng, c); err != nil {
		return nil, err
	}
	return a, nil
}

func pythonConfig(cfg *config.Config, l *logs) python.Config {
	c := python.Config{
		App:                  cfg.App,
		Model:                cfg.WorkerClass,
		Interface:            cfg.Interface,
		Workers:              cfg.Workers,
		Threads:              cfg.Threads,
		WorkerConnections:    cfg.WorkerConnections,
		WebSocketConnections: cfg.WebSocketConnections,
		MaxRequests:          cfg.MaxRequests,
		MaxRequestsJitter:    cfg.MaxRequestsJitter,
		Timeout:              limit(cfg.Timeout),
		GracefulTimeout:      cfg.GracefulTimeout,
		BootTimeout:          cfg.BootTimeout,
		QueueSize:            cfg.QueueSize,
		NoRetry:              cfg.Retry == "off",
		Interpreter:          interpreter(cfg.Python),
		Chdir:                cfg.Chdir,
		PythonPath:           cfg.PythonPath,
		Env:                  cfg.Env,
		RootPath:             cfg.RootPath,
		UnderscoreFields:     cfg.HeaderMap == "dangerous",
		Lifespan:             cfg.AsgiLifespan,
		Loop:                 cfg.AsgiLoop,
		ResponseHead:         int(cfg.LimitResponseHead),
		ResponseSpoolMax:     limit(cfg.ResponseSpoolMax),
		ServerSoftware:       software(),
		RequestIDField:       cfg.RequestID,
		KeepOutput:           !cfg.CaptureOutput,
		WebSocket:            websocketOptions(cfg, l),
		Logger:               l.Logger,
	}
	if level, err := logging.Level(cfg.LogLevel); err == nil {
		c.LogLevel = level
	}
	return c
}

// interpreter finds the Python of a virtual environment.
func interpreter(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "bin", "python")
	}
	return path
}

// Ready waits for the first worker.
func (a *pythonApp) Ready(ctx context.Context) error {
	_, err := a.Pool.Ready(ctx)
	a.ready.Store(err == nil)
	return explainBoot(a.log, err)
}

// errNoWorker is the answer of /readyz while all workers are starting or gone.
var errNoWorker = errors.New("no worker is ready")

// Health tells whether there is a worker that takes requests.
func (a *pythonApp) Health() error {
	for _, w := range a.Snapshot().Workers {
		if w.State == "IDLE" || w.State == "BUSY" {
			return nil
		}
	}
	return errNoWorker
}

// Describe tells what the workers have found.
func (a *pythonApp) Describe() []description {
	d := description{Application: status.Application{Name: a.cfg.App}, Workers: a.cfg.Workers}
	if !a.ready.Load() {
		return []description{d}
	}
	if info, err := a.Pool.Ready(context.Background()); err == nil { // which now does not wait
		d.Interface, d.Model, d.Why = info.Interface, info.Model, info.Why
		d.Runtime = info.Implementation + " " + info.Python
		if info.FreeThreaded {
			d.Runtime += ", free-threaded, with its lock"
		}
		d.Runtime += " (" + info.Interpreter + ")"
	}
	return []description{d}
}

// Report lists the workers.
func (a *pythonApp) Report(r *status.Report) {
	reportWebSockets(r, a.WebSockets())
	s := a.Snapshot()
	r.Queue = &status.Queue{Waiting: s.Queued, Capacity: s.QueueSize}
	for _, w := range s.Workers {
		r.Workers = append(r.Workers, status.Worker{
			PID: w.PID, Model: w.Model, App: a.cfg.App, State: shownState(w.State), InFlight: w.InFlight, Served: w.Served,
			WebSockets: w.Sockets, Age: seconds(time.Since(w.Started)), Recycling: recycling(w),
		})
	}
	for _, m := range a.Memory() {
		r.Memory = append(r.Memory, status.RouteMemory{
			Method: m.Method, Route: m.Route, App: a.cfg.App, Requests: m.Requests, Grown: m.Grown, Most: m.Most,
		})
	}
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

// Reload replaces the workers.
func (a *pythonApp) Reload(ctx context.Context, next *config.Config) error {
	c := pythonConfig(next, a.logs)
	// These two are the front's as well, where they need a restart.
	c.GracefulTimeout, c.Chdir = a.cfg.GracefulTimeout, a.cfg.Chdir
	return explainBoot(a.log, a.Pool.Reload(ctx, c))
}

// checkPython imports the application as a worker would.
func checkPython(cfg *config.Config, l *logs) error {
	info, err := python.Check(context.Background(), pythonConfig(cfg, l))
	if err != nil {
		return explainBoot(l.Logger, err)
	}
	l.Info("The application can be served", "app", cfg.App, "interface", info.Interface, "model", info.Model, "python", info.Python, "interpreter", info.Interpreter)
	return nil
}

// explainBoot logs the traceback of a worker that did not start, if there is one,
// and returns the rest in one line, with what to do about it.
func explainBoot(l *slog.Logger, err error) error {
	var boot *python.BootError
	if !errors.As(err, &boot) {
		return err
	}
	if boot.Traceback != "" {
		l.Error("A worker did not start", "phase", boot.Phase, "traceback", boot.Traceback)
	}
	text := boot.Message
	if boot.Hint != "" {
		text += " (" + boot.Hint + ")"
	}
	return errors.New(text)
}
