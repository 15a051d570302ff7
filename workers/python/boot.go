package python

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/awake"
	"github.com/asteri/asteri-loop/internal/marshal"
)

// protocolVersion is the version of PROTOCOL.md.
const protocolVersion = 1

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
	var e marshal.Encoder
	e.Buf = appendFrame(nil, frameHello, 0, 0, 0)
	e.Dict()
	str := func(k, v string) { e.Str(k); e.Str(v) }
	num := func(k string, v int64) { e.Str(k); e.Int(v) }
	boolean := func(k string, v bool) { e.Str(k); e.Bool(v) }
	num("version", protocolVersion)
	str("app", c.App)
	str("model", c.Model)
	str("interface", c.Interface)
	num("threads", int64(c.Threads))
	num("worker_connections", int64(c.WorkerConnections))
	str("chdir", c.Chdir)
	e.Str("pythonpath")
	e.List(len(c.PythonPath))
	for _, p := range c.PythonPath {
		e.Str(p)
	}
	str("root_path", c.RootPath)
	str("lifespan", c.Lifespan)
	str("loop", c.Loop)
	boolean("multiprocess", c.Workers > 1)
	num("age", int64(age))
	str("server_software", c.ServerSoftware)
	boolean("check", check)
	boolean("keep_output", c.KeepOutput)
	num("log_level", pythonLevel(c.LogLevel))
	str("request_id", c.RequestIDField)
	e.Str("graceful_timeout")
	e.Float(c.GracefulTimeout.Seconds())
	num("response_window", responseWindow)
	num("body_window", bodyWindow)
	e.EndDict()
	patchSize(e.Buf)
	return e.Buf
}

// handshake sends HELLO and waits for the worker to be ready, with plain blocking
// reads: the loop gets the link only once the worker speaks for itself. logs is
// called with the payload of each LOG frame.
func handshake(ctx context.Context, link *os.File, hello []byte, timeout time.Duration, logs func([]byte) error) (Info, error) {
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
	for {
		h, payload, err := readFrame(&bootLink{link, ctx, until}, (*header).checkSize)
		if err != nil {
			if ctx.Err() != nil {
				return Info{}, ctx.Err()
			}
			return Info{}, err
		}
		switch h.kind {
		case frameReady:
			return parseReady(payload)
		case frameFailed:
			return Info{}, parseFailed(payload)
		case frameLog:
			if err := logs(payload); err != nil {
				return Info{}, err
			}
		default:
			return Info{}, violation(fmt.Sprintf("frame of type %d before READY", h.kind))
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

// readFrame reads exactly one frame, of a length that check agrees to.
func readFrame(r io.Reader, check func(*header) error) (header, []byte, error) {
	var head [headerLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return header{}, nil, err
	}
	h, err := parseHeader(head[:])
	if err == nil {
		err = check(&h)
	}
	if err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.size)
	_, err = io.ReadFull(r, payload)
	return h, payload, err
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

// fields are the entries of a dict that a worker sent. Missing ones, and those of
// another type, are zero.
type fields map[string]any

func (f fields) str(k string) string   { s, _ := f[k].(string); return strings.ToValidUTF8(s, "\uFFFD") }
func (f fields) num(k string) int64    { n, _ := f[k].(int64); return n }
func (f fields) boolean(k string) bool { b, _ := f[k].(bool); return b }

func parseFields(payload []byte) (fields, error) {
	v, err := marshal.Decode(payload)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, violation("not a dict")
	}
	return m, nil
}

// maxCapacity bounds what a worker may say its capacity is, and so the table of
// its calls.
const maxCapacity = 1 << 16

func parseReady(payload []byte) (Info, error) {
	f, err := parseFields(payload)
	if err != nil {
		return Info{}, err
	}
	if v := f.num("version"); v != protocolVersion {
		return Info{}, violation(fmt.Sprintf("version %d", v))
	}
	info := Info{
		Interface: f.str("interface"), Model: f.str("model"), Why: f.str("why"),
		Python: f.str("python"), Implementation: f.str("implementation"),
		Capacity: int(f.num("capacity")), Lifespan: f.boolean("lifespan"),
		FreeThreaded: f.boolean("free_threaded"),
		wholeBody:    f.str("body") == "whole", Libraries: make(map[string]string),
	}
	if info.Capacity < 1 || info.Capacity > maxCapacity {
		return Info{}, violation(fmt.Sprintf("capacity %d", info.Capacity))
	}
	libraries, _ := f["libraries"].(map[string]any)
	for name := range libraries {
		info.Libraries[name] = fields(libraries).str(name)
	}
	return info, nil
}

func parseFailed(payload []byte) error {
	f, err := parseFields(payload)
	if err != nil {
		return err
	}
	return &BootError{
		Phase: f.str("phase"), Kind: f.str("kind"), Message: f.str("message"),
		Traceback: f.str("traceback"), Hint: f.str("hint"),
	}
}
