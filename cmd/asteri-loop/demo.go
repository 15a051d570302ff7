package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/demo"
	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers"
)

// demoModel is the model under which the demonstration runs if none is asked for.
const demoModel = "gtornado"

// demonstration is the Go application that is served without APP, under one model. A
// reload puts another in its place.
type demonstration struct {
	asteri.Handler
	about   server.Description
	queue   int           // its capacity
	timeout time.Duration // negative for none
	engine  func() *loop.Engine
	log     *slog.Logger
	sockets *websocket.Server
	started time.Time

	once    sync.Once // for the end
	unwatch func()
}

var _ server.Application = (*demonstration)(nil)

// servesDemonstration tells that there is no other application.
func (p *program) servesDemonstration() bool { return p.cfg.App == "" && len(p.cfg.Mounts) == 0 }

func (p *program) newDemonstration(cfg *config.Config) (*demonstration, error) {
	if p.sockets == nil {
		o := cfg.Python.WebSocket
		o.Grace, o.Logger = cfg.Server.Engine.GracefulTimeout, p.logs.Logger
		p.sockets = websocket.NewServer(o)
	}
	c := &cfg.Python
	model, why := c.Model, "as asked"
	if model == "" {
		model, why = demoModel, "the demonstration's own choice"
	}
	handler, err := demo.New(model, workers.Options{
		Workers: c.Workers, Threads: c.Threads, WorkerConnections: c.WorkerConnections, QueueSize: c.QueueSize,
		Timeout: c.Timeout, ResponseSpoolMax: c.ResponseSpoolMax, Logger: p.logs.Logger,
	}, p.sockets)
	return &demonstration{
		Handler: handler, queue: c.QueueSize, timeout: c.Timeout,
		engine: func() *loop.Engine { return p.server.Engine() }, log: p.logs.Logger, sockets: p.sockets,
		started: time.Now(), unwatch: func() {},
		about: server.Description{Application: status.Application{Interface: "go", Model: model}, Why: why},
	}, err
}

// Ready begins the watch over loops, which run the demonstration under some models.
func (d *demonstration) Ready(context.Context) error {
	if d.timeout > 0 {
		d.unwatch = workers.WatchLoops(d.engine().Loops(), d.timeout, d.log)
	}
	return nil
}

// Close lets go of a model that gets no more requests. It finishes those it has.
func (d *demonstration) Close(context.Context) {
	d.once.Do(func() {
		d.unwatch()
		if c, ok := d.Handler.(io.Closer); ok {
			_ = c.Close() // has no error to tell
		}
	})
}

// Describe implements server.Describer.
func (d *demonstration) Describe() server.Description { return d.about }

// Report tells about the model as of one worker, which this process is. tornado
// calls the handler directly and counts nothing.
func (d *demonstration) Report(r *status.Report) {
	server.ReportWebSockets(r, d.sockets.Stats())
	counted, ok := d.Handler.(interface{ Stats() workers.Stats })
	if !ok {
		return
	}
	stats := counted.Stats()
	w := status.Worker{
		PID: os.Getpid(), Model: d.about.Model, State: "IDLE",
		InFlight: stats.Running + stats.Late, Served: stats.Served, Age: float64(time.Since(d.started).Milliseconds()) / 1000,
	}
	if w.InFlight > 0 {
		w.State = "BUSY"
	}
	r.Workers = append(r.Workers, w)
	r.Queue = &status.Queue{Waiting: stats.Queued, Capacity: d.queue}
}

// Pools tells about the model. tornado, which calls the handler directly, has no
// queue.
func (d *demonstration) Pools() []status.PoolMeasures {
	counted, ok := d.Handler.(interface{ Stats() workers.Stats })
	if !ok {
		return nil
	}
	s := counted.Stats()
	return []status.PoolMeasures{{
		Model: d.about.Model, Queued: s.Queued, QueueSize: d.queue, InFlight: s.Running + s.Late,
		Refused: s.Refused, TimedOut: s.TimedOut,
	}}
}
