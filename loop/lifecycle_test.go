package loop_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// newEngine is one that does not run yet.
func newEngine(t *testing.T, cfg loop.Config) *loop.Engine {
	t.Helper()
	e, err := loop.New(cfg)
	must(t, err)
	return e
}

// run runs the engine, and tells what came of it.
func run(ctx context.Context, e *loop.Engine) <-chan error {
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return done
}

// Close ends Run, whichever comes first, and Run says why it has ended.
func TestCloseEndsRun(t *testing.T) {
	leakcheck.Check(t)
	for name, closed := range map[string]func(e *loop.Engine) <-chan error{
		"meanwhile": func(e *loop.Engine) <-chan error {
			done := run(context.Background(), e)
			onLoop(t, e.Loops()[0], func() {})
			must(t, e.Close())
			return done
		},
		"before": func(e *loop.Engine) <-chan error {
			must(t, e.Close())
			return run(context.Background(), e)
		},
		"before, with nothing left to do": func(e *loop.Engine) <-chan error {
			must(t, e.Close())
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return run(ctx, e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := awaited(t, closed(newEngine(t, loop.Config{Loops: 2})), "end of Run"); !errors.Is(err, loop.ErrStopped) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

// Calls on an engine that is closed do nothing, also those that come with Close.
func TestClosedEngine(t *testing.T) {
	leakcheck.Check(t)
	e := newEngine(t, loop.Config{Loops: 2})
	if e.Loops()[0].Running() {
		t.Error("an engine runs that was not started")
	}
	e.Start()
	if !e.Loops()[0].Running() {
		t.Error("an engine does not run that was started")
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { must(t, e.Close()) })
	}
	all.Wait()
	must(t, e.Drain())
	must(t, e.Close())
	e.Start()
	if err := e.Listen("127.0.0.1:0", echo()); !errors.Is(err, loop.ErrStopped) {
		t.Errorf("Listen: %v", err)
	}
	if e.Loops()[0].Running() || e.Loops()[0].Post(func() {}) {
		t.Error("a loop runs that was ended")
	}
}

// service is one that does as it is told.
type service struct{ drain, end func() error }

func (s service) Drain(context.Context) { _ = s.drain() }
func (s service) Close() error          { return s.end() }

// What a service fails in costs neither the process nor the loops, and what was cut off
// is told by the one who asked for the stop.
func TestServicesThatFail(t *testing.T) {
	leakcheck.Check(t)
	e := newEngine(t, loop.Config{Loops: 1, GracefulTimeout: 50 * time.Millisecond})
	fine := func() error { return nil }
	panics := func() error { panic("the service is broken") }
	over := make(chan struct{})
	late := func() error { <-over; return nil }
	time.AfterFunc(200*time.Millisecond, func() { close(over) })
	must(t, e.Attach(service{panics, fine}))
	must(t, e.Attach(service{late, panics}))
	must(t, e.Attach(service{fine, fine}))
	ctx, cancel := context.WithCancel(context.Background())
	done := run(ctx, e)
	cancel()
	err := awaited(t, done, "end of Run")
	var cut *loop.DrainError
	if !errors.As(err, &cut) || *cut != (loop.DrainError{Services: 1}) {
		t.Errorf("Run returned %v", err)
	}
	var failed *loop.PanicError
	if !errors.As(err, &failed) {
		t.Errorf("Run returned %v", err)
	}
}

// A stop with nothing to cut off is no forced one, however little time there is.
func TestDrainOfNothing(t *testing.T) {
	leakcheck.Check(t)
	for range 20 {
		e := newEngine(t, loop.Config{Loops: 2, GracefulTimeout: -1})
		e.Start()
		must(t, e.Drain())
		must(t, e.Close())
	}
}

// The address that a client connected to is known to every goroutine, also after the end
// of the connection, at a listener for all addresses.
func TestLocalAddress(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	infos := make(chan *loop.ConnInfo, 1)
	a := serve(t, e, "0.0.0.0:0", func(s *script) { infos <- s.Info() })
	port := a.(*net.TCPAddr).Port
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	must(t, err)
	info := awaited(t, infos, "session")
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 100 {
				if got := info.Local(); got.String() != c.RemoteAddr().String() {
					t.Errorf("local address %v, the client says %v", got, c.RemoteAddr())
					return
				}
			}
		})
	}
	must(t, c.Close())
	readers.Wait()
	waitFor(t, "the connection is gone", func() bool { return e.Stats().Loops[0].Connections == 0 })
	if got := info.Local(); int(got.Port()) != port {
		t.Errorf("afterwards the address is %v", got)
	}
}
