package main

import (
	"context"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/demo"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers"
)

// application is what the server serves, and what of it the operator controls.
type application interface {
	asteri.Handler
	// Ready waits until the application can answer. Its error, other than
	// that of ctx, says why it never will.
	Ready(ctx context.Context) error
	// Health returns why there is no answering now, or nil. It does not block.
	Health() error
	// Describe says what runs, and how. It is complete once Ready.
	Describe() description
	// Report adds the workers and the queue to a status report.
	Report(*status.Report)
	// Reload takes over the settings of cfg and the application's code. After
	// an error what ran before goes on.
	Reload(ctx context.Context, cfg *config.Config) error
	// Scale adds delta workers.
	Scale(delta int)
	// Stop ends the workers once they have answered what they have, at the
	// latest when ctx is done. Kill ends them at once.
	Stop(ctx context.Context)
	Kill()
}

// description is for the banner and the status report.
type description struct {
	status.Application
	// Why says why the model is the one it is.
	Why string
	// Runtime names the interpreter, empty for Go.
	Runtime string
	// Workers is how many there are.
	Workers int
}

// demoModel is the model under which the demonstration runs if none is asked for.
const demoModel = "gtornado"

// demonstration is the Go application that is served without APP.
type demonstration struct {
	asteri.Handler
	about description
	log   *logs
}

func newDemonstration(cfg *config.Config, l *logs) (*demonstration, error) {
	model, why := cfg.WorkerClass, "as asked"
	if model == "" {
		model, why = demoModel, "the demonstration's own choice"
	}
	handler, err := demo.New(model, workers.Options{
		Workers:           cfg.Workers,
		Threads:           cfg.Threads,
		WorkerConnections: cfg.WorkerConnections,
		QueueSize:         cfg.QueueSize,
		Logger:            l.Logger,
	})
	if err != nil {
		return nil, err
	}
	about := description{Application: status.Application{Interface: "go", Model: model}, Why: why}
	return &demonstration{handler, about, l}, nil
}

func (d *demonstration) Ready(context.Context) error { return nil }
func (d *demonstration) Health() error               { return nil }
func (d *demonstration) Describe() description       { return d.about }
func (d *demonstration) Report(*status.Report)       {}

// Reload has nothing to do: the code of the demonstration is the server's.
func (d *demonstration) Reload(context.Context, *config.Config) error { return nil }

// Scale has nothing to do either.
func (d *demonstration) Scale(int) { d.log.Info("The demonstration has no worker processes") }

// Stop has nothing left to stop once the connections are drained.
func (d *demonstration) Stop(context.Context) {}
func (d *demonstration) Kill()                {}
