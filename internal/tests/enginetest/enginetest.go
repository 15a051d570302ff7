// Package enginetest runs engines of the reactor for tests.
package enginetest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// Patience bounds the waits of tests. It is only ever waited out by one that fails.
const Patience = 20 * time.Second

// Engine is an engine that runs.
type Engine struct {
	*loop.Engine
	t testing.TB
	// Stop drains the engine, which is to end in time and without an error. It
	// is called at the end of the test if it was not before.
	Stop func()
}

// Start runs an engine. Unless cfg says how long, it drains for as long as a test
// waits.
func Start(t testing.TB, cfg loop.Config) *Engine {
	t.Helper()
	if cfg.GracefulTimeout == 0 {
		cfg.GracefulTimeout = Patience
	}
	eng, err := loop.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	eng.Start()
	go func() { done <- eng.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(Patience):
			t.Error("the engine does not stop")
		}
	})
	t.Cleanup(stop)
	return &Engine{eng, t, stop}
}

// Listen accepts connections for protocols at a port of the engine's own.
func (e *Engine) Listen(protocols ...loop.Protocol) net.Addr {
	e.t.Helper()
	return e.ListenWith(loop.ListenConfig{Protocols: protocols})
}

// ListenWith is Listen with more said. An address that is empty means a port of the
// engine's own.
func (e *Engine) ListenWith(cfg loop.ListenConfig) net.Addr {
	e.t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	ln, err := e.Engine.ListenWith(cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	return ln.Addr()
}

// Serve runs an engine with one loop for protocols until the end of the test, and
// returns its address.
func Serve(t testing.TB, protocols ...loop.Protocol) (addr string) {
	t.Helper()
	return Start(t, loop.Config{Loops: 1}).Listen(protocols...).String()
}
