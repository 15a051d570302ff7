package loop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// An engine is made by New, runs from Start or Run on, drains at most once in effect,
// and ends with Close. Run is all of that in one call. Each of these may be called
// from any goroutine but those of the loops, which they wait for: there they panic with
// a *MisuseError. Calls on an engine that is closed do nothing.

// DrainError says that the time for a graceful stop was over before all had finished.
// errors.Is finds DrainExpired in it, the cause with which those that were left ended.
type DrainError struct {
	// Connections is how many accepted connections were cut off.
	Connections int
	// Services is how many services (see Attach) were not done in time.
	Services int
}

// Error says how many were cut off.
func (e *DrainError) Error() string {
	text := fmt.Sprintf("loop: time for a graceful stop is over: %d connections are cut off", e.Connections)
	if e.Services > 0 {
		text += fmt.Sprintf(", and %d services with theirs", e.Services)
	}
	return text
}

// Unwrap returns DrainExpired.
func (e *DrainError) Unwrap() error { return DrainExpired }

// Run starts the loops and serves until ctx is done; then it drains the engine, closes
// it, and returns what Drain and Close do: nil, or an error in which errors.As finds a
// *DrainError if connections had to be cut off. It returns at the latest
// GracefulTimeout after the end of ctx, if no session's call or other function of the
// program's holds up a loop. If Close is called meanwhile, or was before, it returns
// ErrStopped once the engine is closed. Drain alone does not end it.
func (e *Engine) Run(ctx context.Context) error {
	e.mustNotBeOn("Engine.Run")
	e.Start()
	select {
	case <-ctx.Done():
	case <-e.closed:
	}
	select {
	case <-e.closed: // also if both are
		_ = e.Close() // whose caller is told; here it only waits
		return ErrStopped
	default:
	}
	return errors.Join(e.Drain(), e.Close())
}

// Drain closes the listeners, has each session finish what it has begun (see
// Session.OnShutdown), and waits until accepted connections are closed, and services
// drained; those that are left after GracefulTimeout are aborted with DrainExpired, and
// the error is then a *DrainError. Adopted sockets and the loops live on until Close,
// which is to follow. Drain may be called again: sessions hear of it once.
func (e *Engine) Drain() error {
	e.mustNotBeOn("Engine.Drain")
	e.Start()
	ctx, cancel := context.WithTimeout(context.Background(), max(e.cfg.GracefulTimeout, 0))
	defer cancel()
	accepting := e.stopListening() // from here on there is no further service
	left := make(chan int, 1)
	go func() { left <- e.drainServices(ctx) }()
	await(ctx, accepting)
	var drained sync.WaitGroup
	for _, l := range e.loops {
		drained.Add(1)
		if !l.Post(func() { l.drain(drained.Done) }) {
			drained.Done()
		}
	}
	var late DrainError
	if !await(ctx, ended(&drained)) {
		for _, l := range e.loops {
			late.Connections += int(l.stats.connections.Load())
			l.Post(func() { l.abortAccepted(DrainExpired) })
		}
	}
	late.Services = <-left
	if late == (DrainError{}) {
		return nil
	}
	return &late
}

// Close stops the loops at once and releases everything. Connections that are open are
// aborted with DrainExpired, and their sessions hear of it before Close returns. It
// returns the first error of a service's Close. A second Close waits for the first, and
// returns the same. Close waits for what a loop is calling, without end: it says in
// the log that it does.
func (e *Engine) Close() error {
	e.mustNotBeOn("Engine.Close")
	e.Start() // a loop that never ran is ended by its own goroutine too
	e.closeOnce.Do(func() {
		close(e.closed)
		e.stopListening()
		e.closeErr = e.closeServices()
		for _, l := range e.loops {
			l.Post(func() { l.stopped = true })
		}
		e.awaitLoops()
		e.release()
	})
	return e.closeErr
}

// closeWarning is how long Close waits before it says what it is waiting for.
const closeWarning = 5 * time.Second

func (e *Engine) awaitLoops() {
	done := ended(&e.loopsDone)
	for {
		select {
		case <-done:
			return
		case <-time.After(closeWarning):
			e.cfg.Logger.Warn("the loops do not end: a function that one of them calls does not return. " +
				"Such functions must not wait, least of all for Engine.Close")
		}
	}
}

// stopListening closes the listeners and refuses further ones. The loops must run. done
// is closed when no listener accepts any more.
func (e *Engine) stopListening() (done <-chan struct{}) {
	e.mu.Lock()
	e.stopping = true
	listeners := e.listeners
	e.listeners = nil
	e.mu.Unlock()
	var accepting sync.WaitGroup
	for _, ln := range listeners {
		ln.close(&accepting)
	}
	return ended(&accepting)
}

// ended returns a channel that is closed when all of g is done.
func ended(g *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	return done
}

// await waits for done, and tells whether that came before the end of ctx.
func await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}
