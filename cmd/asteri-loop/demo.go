package main

import (
	"context"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/demo"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/python"
	"github.com/asteri/asteri-loop/workers/websocket"
)

// demoModel is the model under which the demonstration runs if none is asked for.
const demoModel = "gtornado"

// demonstration is the Go application that is served without APP.
type demonstration struct {
	engine  *loop.Engine
	log     *logs
	sockets *websocket.Server
	model   atomic.Pointer[demoModelRun]
}

// demoModelRun is the demonstration under one model, as the settings had it.
type demoModelRun struct {
	handler asteri.Handler
	about   description
	queue   int // its capacity
	started time.Time
	unwatch func()
}

func newDemonstration(eng *loop.Engine, cfg *config.Config, l *logs) (*demonstration, error) {
	d := &demonstration{engine: eng, log: l, sockets: websocket.NewServer(websocketOptions(cfg, l))}
	return d, d.Reload(context.Background(), cfg)
}

// Reload takes over the settings of cfg. Its code is the server's and stays.
func (d *demonstration) Reload(_ context.Context, cfg *config.Config) error {
	model, why := cfg.WorkerClass, "as asked"
	if model == "" {
		model, why = demoModel, "the demonstration's own choice"
	}
	handler, err := demo.New(model, workers.Options{
		Workers:           cfg.Workers,
		Threads:           cfg.Threads,
		WorkerConnections: cfg.WorkerConnections,
		QueueSize:         cfg.QueueSize,
		Timeout:           limit(cfg.Timeout),
		ResponseSpoolMax:  limit(cfg.ResponseSpoolMax),
		Logger:            d.log.Logger,
	}, d.sockets)
	if err != nil {
		return err
	}
	next := &demoModelRun{
		handler: handler, queue: cfg.QueueSize, started: time.Now(), unwatch: func() {},
		about: description{Application: status.Application{Interface: "go", Model: model}, Why: why},
	}
	if cfg.Timeout > 0 {
		next.unwatch = workers.WatchLoops(d.engine.Loops(), cfg.Timeout, d.log.Logger)
	}
	if before := d.model.Swap(next); before != nil {
		before.end()
	}
	return nil
}

// end lets go of a model that gets no more requests. It finishes those it has.
func (m *demoModelRun) end() {
	m.unwatch()
	if c, ok := m.handler.(io.Closer); ok {
		_ = c.Close() // has no error to tell
	}
}

// ServeExchange implements asteri.Handler.
func (d *demonstration) ServeExchange(x asteri.Exchange) { d.model.Load().handler.ServeExchange(x) }

func (d *demonstration) Ready(context.Context) error { return nil }
func (d *demonstration) Health() error               { return nil }
func (d *demonstration) Describe() []description     { return []description{d.model.Load().about} }

// Report tells about the model as of one worker, which this process is. tornado
// calls the handler directly and counts nothing.
func (d *demonstration) Report(r *status.Report) {
	reportWebSockets(r, d.sockets.Stats())
	m := d.model.Load()
	counted, ok := m.handler.(interface{ Stats() workers.Stats })
	if !ok {
		return
	}
	stats := counted.Stats()
	w := status.Worker{
		PID: os.Getpid(), Model: m.about.Model, State: "IDLE",
		InFlight: stats.Running + stats.Late, Served: stats.Served, Age: seconds(time.Since(m.started)),
	}
	if w.InFlight > 0 {
		w.State = "BUSY"
	}
	r.Workers = append(r.Workers, w)
	r.Queue = &status.Queue{Waiting: stats.Queued, Capacity: m.queue}
}

// Scale has nothing to do: there are no processes to be more or fewer.
func (d *demonstration) Scale(int) { d.log.Info("The demonstration has no worker processes") }

// Restart and Stacks find no worker: the server's own process is the only one.
func (d *demonstration) Restart(int) error { return python.ErrNoWorker }
func (d *demonstration) Stacks(context.Context, int) (map[string]string, error) {
	return nil, python.ErrNoWorker
}

// Stop has nothing left to stop once the connections are drained.
func (d *demonstration) Stop(context.Context) { d.Kill() }

// Kill ends the watch over loops, which end next.
func (d *demonstration) Kill() {
	if m := d.model.Load(); m != nil {
		m.unwatch()
	}
}
