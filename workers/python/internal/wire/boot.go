package wire

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// Code is the code objects of a program's modules, by path, in CPython's marshal format. It is for the
// interpreter that has made it, which MadeBy names, and of no use to another.
type Code struct {
	MadeBy  []byte
	Modules map[string][]byte
}

// Modules makes the document of the sources of modules by path.
func Modules(modules map[string][]byte) []byte {
	var e marshal.Encoder
	putModules(&e, modules)
	return e.Buf
}

// ParseCode reads the document of code.
func ParseCode(in []byte) (Code, error) {
	v, err := marshal.Decode(in)
	if err != nil {
		return Code{}, err
	}
	parts, _ := v.([]any)
	if len(parts) != 2 {
		return Code{}, Violation("not two parts")
	}
	by, isBytes := parts[0].([]byte)
	modules, isDict := parts[1].(map[string]any)
	if !isBytes || !isDict {
		return Code{}, Violation("not bytes and a dict")
	}
	c := Code{MadeBy: by, Modules: make(map[string][]byte, len(modules))}
	for path, v := range modules {
		code, isBytes := v.([]byte)
		if !isBytes {
			return Code{}, Violation("code that is not bytes")
		}
		c.Modules[path] = code
	}
	return c, nil
}

// Program makes the PROGRAM frame, which a worker is sent first: the sources of its modules, and code, if
// there is any, that spares it to compile them.
func Program(modules map[string][]byte, code Code) []byte {
	var e marshal.Encoder
	e.Buf = AppendFrame(nil, FrameProgram, 0, 0, 0)
	e.Tuple(3)
	putModules(&e, modules)
	putModules(&e, code.Modules)
	e.Bytes(code.MadeBy)
	PatchSize(e.Buf)
	return e.Buf
}

func putModules(e *marshal.Encoder, modules map[string][]byte) {
	e.Dict()
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		e.Str(path)
		e.Bytes(modules[path])
	}
	e.EndDict()
}

// Hello is what a worker is told next: what it is to run, and how.
type Hello struct {
	App, Model, Interface      string
	Threads, WorkerConnections int
	Chdir                      string
	PythonPath                 []string
	RootPath, Lifespan, Loop   string
	Multiprocess               bool
	Age                        int // the worker's number
	ServerSoftware             string
	Check                      bool
	KeepOutput                 bool
	LogLevel                   slog.Level
	RequestID                  string
	GracefulTimeout            time.Duration
	Conf                       string // of a gunicorn.conf.py, in JSON; empty for none
	Sources                    bool   // it is to tell which files it imports
	ProcName                   string
	Nice                       int // 0: as it is
	Rlimits                    []Rlimit
}

// Rlimit is a limit of the system's on a process, by its name without RLIMIT_. Negative is none.
type Rlimit struct {
	Name       string
	Soft, Hard int64
}

// Frame makes the HELLO frame.
func (h *Hello) Frame() []byte {
	var e marshal.Encoder
	e.Buf = AppendFrame(nil, FrameHello, 0, 0, 0)
	e.Dict()
	str := func(k, v string) { e.Str(k); e.Str(v) }
	num := func(k string, v int64) { e.Str(k); e.Int(v) }
	boolean := func(k string, v bool) { e.Str(k); e.Bool(v) }
	num("version", protocolVersion)
	str("app", h.App)
	str("model", h.Model)
	str("interface", h.Interface)
	num("threads", int64(h.Threads))
	num("worker_connections", int64(h.WorkerConnections))
	str("chdir", h.Chdir)
	e.Str("pythonpath")
	e.List(len(h.PythonPath))
	for _, p := range h.PythonPath {
		e.Str(p)
	}
	str("root_path", h.RootPath)
	str("lifespan", h.Lifespan)
	str("loop", h.Loop)
	boolean("multiprocess", h.Multiprocess)
	num("age", int64(h.Age))
	str("server_software", h.ServerSoftware)
	boolean("check", h.Check)
	boolean("keep_output", h.KeepOutput)
	num("log_level", PythonLevel(h.LogLevel))
	str("request_id", h.RequestID)
	e.Str("graceful_timeout")
	e.Float(h.GracefulTimeout.Seconds())
	boolean("sources", h.Sources)
	str("conf", h.Conf)
	str("proc_name", h.ProcName)
	num("nice", int64(h.Nice))
	e.Str("rlimits")
	e.List(len(h.Rlimits))
	for _, l := range h.Rlimits {
		e.Tuple(3)
		e.Str(l.Name)
		e.Int(l.Soft)
		e.Int(l.Hard)
	}
	num("response_window", ResponseWindow)
	num("body_window", BodyWindow)
	e.EndDict()
	PatchSize(e.Buf)
	return e.Buf
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
		return nil, Violation("not a dict")
	}
	return m, nil
}

// Ready is what a worker has found out about the application and itself.
type Ready struct {
	Interface, Model, Why  string
	Capacity               int
	Python, Implementation string
	FreeThreaded           bool
	Libraries              map[string]string
	Lifespan               bool
	WholeBody              bool // requests come with their whole body
	Compiled               bool // it has compiled its program itself
}

// ParseReady reads a READY frame.
func ParseReady(payload []byte) (Ready, error) {
	f, err := parseFields(payload)
	if err != nil {
		return Ready{}, err
	}
	if v := f.num("version"); v != protocolVersion {
		return Ready{}, Violation(fmt.Sprintf("version %d", v))
	}
	ready := Ready{
		Interface: f.str("interface"), Model: f.str("model"), Why: f.str("why"),
		Python: f.str("python"), Implementation: f.str("implementation"),
		Capacity: int(f.num("capacity")), Lifespan: f.boolean("lifespan"),
		FreeThreaded: f.boolean("free_threaded"),
		Compiled:     f.boolean("compiled"),
		WholeBody:    f.str("body") == "whole", Libraries: make(map[string]string),
	}
	if ready.Capacity < 1 || ready.Capacity > maxCapacity {
		return Ready{}, Violation(fmt.Sprintf("capacity %d", ready.Capacity))
	}
	libraries, _ := f["libraries"].(map[string]any)
	for name := range libraries {
		ready.Libraries[name] = fields(libraries).str(name)
	}
	return ready, nil
}

// Failed is what a worker says of why it cannot become ready. Sources are as ParseSources has
// them.
type Failed struct {
	Phase, Kind, Message, Traceback, Hint string
	Sources                               []string
}

// ParseFailed reads a FAILED frame.
func ParseFailed(payload []byte) (Failed, error) {
	f, err := parseFields(payload)
	if err != nil {
		return Failed{}, err
	}
	failed := Failed{
		Phase: f.str("phase"), Kind: f.str("kind"), Message: f.str("message"),
		Traceback: f.str("traceback"), Hint: f.str("hint"),
	}
	if told, ok := f["sources"]; ok {
		failed.Sources, err = ParseSources(told)
	}
	return failed, err
}

// ParseSources reads the files that a worker says it has imported: absolute paths.
func ParseSources(told any) ([]string, error) {
	list, ok := told.([]any)
	if !ok || len(list) > maxSources {
		return nil, Violation("SOURCES of the wrong shape")
	}
	files := make([]string, len(list))
	for i, v := range list {
		if files[i], ok = v.(string); !ok || !strings.HasPrefix(files[i], "/") || len(files[i]) > maxSource || strings.ContainsRune(files[i], 0) {
			return nil, Violation("SOURCES of the wrong shape")
		}
	}
	return files, nil
}
