package python

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/asteri/asteri-loop/websocket"
)

// Config says what to run and how. Zero values mean the defaults named.
type Config struct {
	// App is "module:attr", "module:factory()", "package.module" or
	// "path/to/file.py[:attr]".
	App string
	// Model is the worker model: "sync", "gthread", "gevent", "asgi",
	// "tornado", "gtornado", or empty to choose by the application.
	Model string
	// Interface is what the application speaks: "wsgi", "asgi", or "auto" to
	// find out by looking at it. Default "auto".
	Interface string
	// Workers is the number of processes. Default 1. With MaxWorkers, which is more, there are
	// as many up to that as the load needs.
	Workers, MaxWorkers int
	// Threads is the number of threads of a gthread worker. Default 1.
	Threads int
	// WorkerConnections is how many requests a worker of an asynchronous
	// model has at a time. Default 1000.
	WorkerConnections int
	// WebSocketConnections is how many WebSockets a worker has open at a time,
	// with an ASGI or Tornado application; beyond it opening handshakes are
	// answered 503. Default WorkerConnections.
	WebSocketConnections int

	// Timeout is how long a request may take until its response begins, and
	// half of how long a worker may give no sign of life. Default 30 s;
	// negative: no limit.
	Timeout time.Duration
	// GracefulTimeout is how long a worker that retires may go on with the
	// requests it has. Default 30 s.
	GracefulTimeout time.Duration
	// BootTimeout is how long a worker may take to become ready. Default
	// 60 s.
	BootTimeout time.Duration

	// NoRetry has every request answered 502 whose worker has died before it answered.
	// Otherwise one whose method is idempotent is given to another worker, once, unless it
	// has killed the first one.
	NoRetry bool

	// MaxRequests is how many requests a worker serves until another takes its
	// place, and MaxRequestsJitter up to how many more, by chance, so that workers
	// are not replaced all at once. Default 0: any number.
	MaxRequests, MaxRequestsJitter int
	// MaxLifetime is how long a worker serves until another takes its place, and up to a
	// tenth more, by chance. Default 0: for ever.
	MaxLifetime time.Duration
	// MaxRSS is how much memory a worker may have, in bytes, until another takes its place: the
	// greatest first, one at a time. Pages that it shares count in part (PSS). Default 0: any. On Linux only.
	MaxRSS int64
	// Nice is the niceness of workers; 0 leaves that of this process. Rlimits are limits of the
	// system's on each worker.
	Nice    int
	Rlimits []Rlimit

	// QueueSize bounds the requests that wait for a worker; those beyond are
	// answered 503. Default 1024.
	QueueSize int
	// QueueTimeout is how long a request may wait for a worker before it is
	// answered 503. Default Timeout; negative: no limit.
	QueueTimeout time.Duration

	// Interpreter is the Python to run, a path or a name to be found in
	// PATH. Default: that of $VIRTUAL_ENV, else of .venv beside the
	// application, else python3.
	Interpreter string
	// Chdir is the directory to work in. Default: the present one.
	Chdir string
	// PythonPath are directories to put in front of sys.path.
	PythonPath []string
	// Env are "NAME=value" additions to the server's own environment.
	Env []string
	// ProcName names the processes, for lists of them; empty leaves what they are.
	ProcName string
	// RootPath is the path under which the application is mounted:
	// SCRIPT_NAME and ASGI's root_path.
	RootPath string
	// UnderscoreFields has field names with an underscore, which are otherwise
	// dropped, become the same WSGI keys as those with a hyphen. It is for
	// applications that cannot do without: clients can then send what looks
	// like a field of a proxy.
	UnderscoreFields bool
	// Lifespan is ASGI's lifespan protocol: "auto", "on" or "off".
	Lifespan string
	// Loop is the event loop of the asgi model: "auto", "asyncio" or
	// "uvloop".
	Loop string

	// WebSocket are the settings of WebSockets; those who may open one is the
	// application's business. A reload changes Linger only.
	WebSocket websocket.Options

	// ResponseHead bounds the fields of a response: the bytes of names and values, and
	// 4 for each. The interim responses of a request, taken together, are bounded
	// likewise, and so are trailers. Default 256 KiB.
	ResponseHead int
	// ResponseSpoolMax bounds the part of one response that waits in a
	// temporary file for a slow client, in bytes. Default 1 GiB; negative for
	// none.
	ResponseSpoolMax int64
	// TempDir is where temporary files go. Default: the system's directory.
	TempDir string
	// ServerSoftware is what applications are told: SERVER_SOFTWARE.
	// Default "asteri-loop".
	ServerSoftware string
	// RequestIDField is the request field that holds the request's id
	// (Request.Handling.ID), by which records of the application's log name it;
	// empty for none.
	RequestIDField string
	// KeepOutput leaves what workers print to standard output and error as it is:
	// they write it to those of this process themselves, and nothing of it gets
	// into the log or is marked.
	KeepOutput bool
	// LogLevel is the least level of the application's log records that is
	// passed on. Default (0) slog.LevelInfo.
	LogLevel slog.Level
	// Sources, if not nil, is told of the files of its own that an application has
	// imported: by each worker once it is ready, and when it has imported more. started
	// is when the worker was. It is called on goroutines, several at a time.
	Sources func(files []string, started time.Time)
	// AwaitReload has the pool outlive a first worker that cannot boot. It starts no
	// other until a Reload, whose workers serve if they can.
	AwaitReload bool
	// Conf, if not empty, is a document for workers that run hooks of a gunicorn.conf.py, or configure
	// logging as gunicorn does: see WorkerConf.
	Conf string
	// Hooks, if not nil, is told what becomes of workers.
	Hooks Hooks
	// Logger takes the server's and the workers' log. Default: nowhere.
	Logger *slog.Logger
}

// Rlimit is a limit of the system's on a process, by its name without RLIMIT_ (NOFILE, AS,
// CORE). Negative is none.
type Rlimit struct {
	Name       string
	Soft, Hard int64
}

func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(c.Workers, 1)
	c.Threads = cmp.Or(c.Threads, 1)
	c.WorkerConnections = cmp.Or(c.WorkerConnections, 1000)
	c.WebSocketConnections = cmp.Or(c.WebSocketConnections, c.WorkerConnections)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.GracefulTimeout = cmp.Or(c.GracefulTimeout, 30*time.Second)
	c.BootTimeout = cmp.Or(c.BootTimeout, 60*time.Second)
	c.QueueSize = cmp.Or(c.QueueSize, 1024)
	c.QueueTimeout = cmp.Or(c.QueueTimeout, c.Timeout)
	c.Interface = cmp.Or(c.Interface, "auto")
	c.Lifespan = cmp.Or(c.Lifespan, "auto")
	c.Loop = cmp.Or(c.Loop, "auto")
	c.ResponseHead = cmp.Or(c.ResponseHead, 256<<10)
	c.ResponseSpoolMax = cmp.Or(c.ResponseSpoolMax, 1<<30)
	c.ServerSoftware = cmp.Or(c.ServerSoftware, "asteri-loop")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Bounds and periods.
const (
	// inlineBody is the longest request body that travels in the request
	// itself; longer whole bodies travel as a file.
	inlineBody = 256 << 10
	// shortBody is the longest body of known length that is collected before
	// the request is given to an asynchronous worker, because one frame is
	// cheaper than several.
	shortBody = 64 << 10
	// grantStep is the least number of bytes granted at a time.
	grantStep = 64 << 10
	// maxBatch is the size at which a batch of requests is sent early.
	maxBatch = 1 << 20
)
