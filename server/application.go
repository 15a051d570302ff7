package server

import (
	"context"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/status"
)

// Application is a Handler with a beginning and an end. It may also be a Describer, a
// Reporter, Staff, or a prometheus.Gatherer with metrics of its own.
type Application interface {
	asteri.Handler
	// Ready waits until the application can answer. Its error, other than that of
	// ctx, says why it never will.
	Ready(ctx context.Context) error
	// Close lets what runs finish, at the latest until ctx is done, and then ends it.
	// There are no more requests. It may be called again, also while it runs: with a
	// ctx that is done when the server is closed.
	Close(ctx context.Context)
}

// Describer says what runs, and how. It is asked once the application is ready.
type Describer interface{ Describe() Description }

// Description is for people.
type Description struct {
	status.Application
	// Why says why the model is the one it is.
	Why string
	// Runtime names the interpreter, empty for Go.
	Runtime string
	// Workers is how many there are.
	Workers int
}

// Reporter tells about workers and queues.
type Reporter interface {
	// Report adds what there is to a status report.
	Report(*status.Report)
	// Pools are for metrics, one for each pool of workers.
	Pools() []status.PoolMeasures
}

// Staff are worker processes that an operator controls.
type Staff interface {
	// Health returns why there is no answering now, or nil. It does not block.
	Health() error
	// Scale adds delta workers, and Resize has there be n. One stays. They return how
	// many there are to be now.
	Scale(delta int) int
	Resize(n int) int
	// Restart replaces the worker with a process id, KillWorker ends it at once, and
	// Stacks tells where it is: python.ErrNoWorker if there is none.
	Restart(pid int) error
	KillWorker(pid int) error
	Stacks(ctx context.Context, pid int) (map[string]string, error)
}

// reloader takes over the settings of an application. After an error what ran before
// goes on.
type reloader interface {
	Reload(ctx context.Context, next *Mount) error
}
