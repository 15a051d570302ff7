package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/asteri/asteri-loop/internal/awake"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Info is what a worker found out about the application and itself.
type Info struct {
	// Interface is "wsgi", "asgi" or "tornado".
	Interface string
	// Model is the worker model that runs.
	Model string
	// Why says in a few words how the model was chosen.
	Why string
	// Capacity is how many requests a worker runs at a time.
	Capacity int
	// Python and Implementation name the interpreter: "3.11.7", "CPython".
	Python, Implementation string
	// FreeThreaded says that the interpreter was built to run without its lock. It
	// has it nevertheless: a worker refuses to run without.
	FreeThreaded bool
	// Interpreter is the path of its program.
	Interpreter string
	// Libraries are the versions of the libraries that the model uses.
	Libraries map[string]string
	// Lifespan says that the application takes part in ASGI's lifespan
	// protocol.
	Lifespan bool

	wholeBody bool // requests come with their whole body
}

func newInfo(r wire.Ready) Info {
	return Info{
		Interface: r.Interface, Model: r.Model, Why: r.Why, Capacity: r.Capacity,
		Python: r.Python, Implementation: r.Implementation, FreeThreaded: r.FreeThreaded,
		Libraries: r.Libraries, Lifespan: r.Lifespan, wholeBody: r.WholeBody,
	}
}

// wsgi tells which of the two forms of a request the worker takes.
func (i *Info) wsgi() bool { return i.Interface == "wsgi" }

// BootError says why a worker did not become ready.
type BootError struct {
	// Phase is "interpreter", "start", "combination", "library", "import" or
	// another phase that the worker names.
	Phase string
	// Kind is the name of the Python exception, if there was one.
	Kind string
	// Message is one line.
	Message string
	// Traceback is Python's traceback, or the last lines that the worker
	// wrote to its standard error.
	Traceback string
	// Hint says what to do about it; it may be empty.
	Hint string
}

// Error returns the phase and the message.
func (e *BootError) Error() string {
	s := "worker failed to boot"
	if e.Phase != "" {
		s += " (" + e.Phase + ")"
	}
	if e.Kind != "" {
		s += ": " + e.Kind
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// hello makes the HELLO frame of the worker with number age.
func (c *Config) hello(age int, check bool) []byte {
	h := wire.Hello{
		App: c.App, Model: c.Model, Interface: c.Interface,
		Threads: c.Threads, WorkerConnections: c.WorkerConnections,
		Chdir: c.Chdir, PythonPath: c.PythonPath,
		RootPath: c.RootPath, Lifespan: c.Lifespan, Loop: c.Loop,
		Multiprocess: c.Workers > 1, Age: age, ServerSoftware: c.ServerSoftware,
		Check: check, KeepOutput: c.KeepOutput, LogLevel: c.LogLevel,
		RequestID: c.RequestIDField, GracefulTimeout: c.GracefulTimeout,
	}
	return h.Frame()
}

// handshake sends HELLO and waits for the worker to be ready, with plain blocking
// reads: the loop gets the link only once the worker speaks for itself. logs is
// called with each record that the application logs.
func handshake(ctx context.Context, link *os.File, hello []byte, timeout time.Duration, logs func(*wire.Record)) (Info, error) {
	stop := context.AfterFunc(ctx, func() { _ = link.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	until := awake.Now() + timeout
	if err := link.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Info{}, err
	}
	if ctx.Err() != nil {
		return Info{}, ctx.Err()
	}
	if _, err := link.Write(hello); err != nil {
		return Info{}, err
	}
	var in wire.Reader
	for {
		h, payload, err := wire.ReadFrame(&bootLink{link, ctx, until}, (*wire.FrameHeader).CheckSize)
		if err != nil {
			if ctx.Err() != nil {
				return Info{}, ctx.Err()
			}
			return Info{}, err
		}
		switch h.Kind {
		case wire.FrameReady:
			ready, err := wire.ParseReady(payload)
			return newInfo(ready), err
		case wire.FrameFailed:
			failed, err := wire.ParseFailed(payload)
			if err == nil {
				err = (*BootError)(&failed)
			}
			return Info{}, err
		case wire.FrameLog:
			if err := in.Records(payload, logs); err != nil {
				return Info{}, err
			}
		default:
			return Info{}, wire.Violation(fmt.Sprintf("frame of type %d before READY", h.Kind))
		}
	}
}

// bootLink is a link whose deadline is one of the clock of deadlines.
type bootLink struct {
	*os.File
	ctx   context.Context
	until time.Duration
}

// Read goes on behind a deadline that has passed while this process was stopped.
func (l *bootLink) Read(p []byte) (int, error) {
	for {
		n, err := l.File.Read(p)
		left := l.until - awake.Now()
		if n > 0 || left <= 0 || !errors.Is(err, os.ErrDeadlineExceeded) || l.ctx.Err() != nil {
			return n, err
		}
		if err := l.SetDeadline(time.Now().Add(left)); err != nil {
			return 0, err
		}
		if l.ctx.Err() != nil { // it came in between, and its deadline is overwritten
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// explain makes a BootError of what ended a handshake, with what is known of the
// process.
func explain(err error, timeout time.Duration, exit *exitState, stderr string) error {
	var boot *BootError
	switch {
	case errors.As(err, &boot) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &BootError{
			Phase: "start", Traceback: stderr,
			Message: fmt.Sprintf("not ready after %v", timeout),
			Hint:    "if the application takes this long to start, allow more with --boot-timeout",
		}
	case exit != nil:
		return &BootError{Phase: "start", Traceback: stderr, Message: "the worker ended before it was ready: it " + exit.sentence()}
	}
	return &BootError{Phase: "start", Traceback: stderr, Message: err.Error()}
}
