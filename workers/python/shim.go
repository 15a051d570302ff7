package python

import (
	"embed"
	"io/fs"
	"strings"
	"sync"

	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// The Python side of the link. Patterns with a wildcard, because a plain folder
// would leave out the files that begin with an underscore.
//
//go:embed shim/boot.py shim/compile.py shim/asteri_metrics.py shim/asteri_worker/*.py shim/asteri_worker/models/*.py
var shimFiles embed.FS

// shim is what workers run: boot.py, which their Python reads from its standard input,
// compile.py, and the modules by path, which come by the link. Nothing of it is ever a file, so a
// server that is killed leaves nothing behind, and nobody can change what workers run.
type shim struct {
	boot, compile []byte
	modules       map[string][]byte
	program       []byte // the PROGRAM frame of workers that compile it themselves
}

var theShim = sync.OnceValue(func() *shim {
	s := &shim{modules: make(map[string][]byte)}
	err := fs.WalkDir(shimFiles, "shim", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		source, err := shimFiles.ReadFile(path)
		switch name := strings.TrimPrefix(path, "shim/"); name {
		case "boot.py":
			s.boot = source
		case "compile.py":
			s.compile = source
		default:
			s.modules[name] = source
		}
		return err
	})
	if err != nil {
		panic("python: the embedded shim cannot be read") // the compiler has put it there
	}
	s.program = wire.Program(s.modules, wire.Code{})
	return s
})

// Most of a small application's start would be that its worker compiles the shim. So the front has the code objects
// made once for an interpreter, and gives them to the workers that start later. They are not taken from a
// worker, whose application may have been taken over by then: code that others run comes
// from a process that never sees an application.

// compiledFor says for whom code was made, or was tried to be. Once for a generation: the interpreter may have
// been replaced by another between two.
type compiledFor struct {
	interpreter string
	generation  int
}

// compileFor has code made for workers like w, if that had to compile the shim itself.
func (s *supervisor) compileFor(w *worker) {
	made := compiledFor{w.info.Interpreter, w.supervised.generation}
	if !w.info.compiled || s.compiling || s.stopping || s.compiled == made {
		return
	}
	s.compiled, s.compiling = made, true
	environ := w.cfg.python().Environ()
	go func() {
		shim := theShim()
		code, err := process.Compile(s.ctx, made.interpreter, environ, shim.compile, shim.modules)
		s.post(func(s *supervisor) {
			s.compiling = false
			if err != nil {
				s.pool.log.Debug("workers go on compiling their program themselves", "interpreter", made.interpreter, "error", err)
				return
			}
			program := wire.Program(shim.modules, code)
			s.pool.program.Store(&program)
		})
	}()
}

// shimProgram returns the PROGRAM frame for a worker that starts now.
func (p *Pool) shimProgram() []byte {
	if program := p.program.Load(); program != nil {
		return *program
	}
	return theShim().program
}
