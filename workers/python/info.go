package python

import (
	"errors"

	"github.com/asteri/asteri-loop/workers/python/internal/process"
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
	compiled  bool // it has compiled the shim itself
}

func newInfo(r wire.Ready) Info {
	return Info{
		Interface: r.Interface, Model: r.Model, Why: r.Why, Capacity: r.Capacity,
		Python: r.Python, Implementation: r.Implementation, FreeThreaded: r.FreeThreaded,
		Libraries: r.Libraries, Lifespan: r.Lifespan, wholeBody: r.WholeBody,
		compiled: r.Compiled,
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
	// Sources are the files that the worker had imported, and those that the failure
	// is about, if Config.Sources is there to be told.
	Sources []string
}

// Error returns the phase and the message.
func (e *BootError) Error() string { return (*process.BootError)(e).Error() }

// bootError makes what the room of processes says of a failed boot what the pool says of it.
func bootError(err error) error {
	var boot *process.BootError
	if errors.As(err, &boot) {
		return (*BootError)(boot)
	}
	return err
}

// hello makes the HELLO frame of the worker with number age.
func (c *Config) hello(age int, check bool) []byte {
	h := wire.Hello{
		App: c.App, Model: c.Model, Interface: c.Interface,
		Threads: c.Threads, WorkerConnections: c.WorkerConnections,
		Chdir: c.Chdir, PythonPath: c.PythonPath,
		RootPath: c.RootPath, Lifespan: c.Lifespan, Loop: c.Loop,
		Multiprocess: max(c.Workers, c.MaxWorkers) > 1, Age: age, ServerSoftware: c.ServerSoftware,
		Check: check, KeepOutput: c.KeepOutput, LogLevel: c.LogLevel,
		RequestID: c.RequestIDField, GracefulTimeout: c.GracefulTimeout, Sources: c.Sources != nil, Conf: c.Conf,
		ProcName: c.ProcName, Nice: c.Nice, Rlimits: c.rlimits(),
	}
	return h.Frame()
}

func (c *Config) rlimits() (limits []wire.Rlimit) {
	for _, l := range c.Rlimits {
		limits = append(limits, wire.Rlimit(l))
	}
	return limits
}

// python says which Python workers run, and with what around it.
func (c *Config) python() process.Python {
	return process.Python{Interpreter: c.Interpreter, App: c.App, Chdir: c.Chdir, Env: c.Env, Log: c.Logger}
}
