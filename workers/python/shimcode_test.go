package python

import (
	"context"
	"syscall"
	"testing"
)

// The first worker compiles the shim; those that come later are given its code, and say so.
func TestLaterWorkersDoNotCompile(t *testing.T) {
	for _, model := range []string{"sync", "gthread"} {
		t.Run(model, func(t *testing.T) {
			s := serveApp(t, wsgiApp, Config{Model: model, Threads: 2})
			first := s.waitFor("IDLE").PID
			if !compiles(s) {
				t.Fatal("who has given the first worker code?")
			}
			eventually(t, "the code is made", func() bool { return s.pool.program.Load() != nil })
			if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "another worker", func() bool {
				w, ok := s.worker("IDLE")
				return ok && w.PID != first
			})
			if compiles(s) {
				t.Error("the second worker had to compile")
			}
			s.expect(s.get("/"), 200, "hello")
			s.expect(s.get("/raise"), 500, "")
			made := s.pool.program.Load()
			if err := s.pool.Reload(context.Background(), *s.pool.config()); err != nil {
				t.Fatal(err)
			}
			if compiles(s) || s.pool.program.Load() != made {
				t.Error("a worker of the next generation had to compile")
			}
			s.expect(s.get("/"), 200, "hello")
		})
	}
}

// compiles tells whether the newest worker has compiled the shim itself.
func compiles(s *server) bool {
	all := *s.pool.workers.Load()
	return all[len(all)-1].info.compiled
}

// Code of another Python, which has taken the interpreter's place, is of no use, and new code is made by that.
func TestCodeOfAnotherPython(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{})
	eventually(t, "the code is made", func() bool { return s.pool.program.Load() != nil })
	stale := theShim().program
	s.pool.program.Store(&stale)
	if err := s.pool.Reload(context.Background(), *s.pool.config()); err != nil {
		t.Fatal(err)
	}
	if !compiles(s) {
		t.Error("the worker took code that nobody has made")
	}
	s.expect(s.get("/"), 200, "hello")
	eventually(t, "it is made again", func() bool { return s.pool.program.Load() != &stale })
}

// A pool that is stopped leaves no process that compiles behind, and waits for none.
func TestStopWhileTheShimIsCompiled(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{})
	s.pool.Kill()
	if s.pool.supervisor.compiling { // its goroutine has ended
		t.Error("a process compiles on")
	}
}
