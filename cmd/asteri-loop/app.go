package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/status"
)

// application is what the server serves, and what of it the operator controls.
type application interface {
	asteri.Handler
	// Ready waits until the application can answer. Its error, other than
	// that of ctx, says why it never will.
	Ready(ctx context.Context) error
	// Health returns why there is no answering now, or nil. It does not block.
	Health() error
	// Describe says what runs, and how: at least one application, the one that
	// is at no mount first. It is complete once Ready.
	Describe() []description
	// Report adds the workers and the queue to a status report.
	Report(*status.Report)
	// Pools tells about the workers of each application.
	Pools() []status.PoolMeasures
	// Gather returns the applications' own metrics.
	prometheus.Gatherer
	// Reload takes over the settings of cfg and the application's code. After
	// an error what ran before goes on.
	Reload(ctx context.Context, cfg *config.Config) error
	// Scale adds delta workers.
	Scale(delta int)
	// Restart replaces the worker with a process id, and Stacks tells where it
	// is: python.ErrNoWorker if there is none.
	Restart(pid int) error
	Stacks(ctx context.Context, pid int) (map[string]string, error)
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
