// Package exchangetest offers an asteri.Exchange without a protocol or a
// connection, for unit tests of handlers. It keeps the contract that handlers
// may rely on, and reports what breaks the contract as a test failure.
package exchangetest

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Executor runs functions in order on a goroutine of its own, as an event loop
// does. It outlives a runtime.Goexit of such a function.
type Executor struct {
	t    testing.TB
	busy atomic.Bool // a function runs

	mu     sync.Mutex
	ready  sync.Cond
	queue  []func()
	ended  bool
	finish chan struct{}
}

// NewExecutor starts an executor that ends with the test.
func NewExecutor(t testing.TB) *Executor {
	e := &Executor{t: t, finish: make(chan struct{})}
	e.ready.L = &e.mu
	go e.run()
	t.Cleanup(e.End)
	return e
}

// Post queues fn; see asteri.Executor.
func (e *Executor) Post(fn func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return false
	}
	e.queue = append(e.queue, fn)
	e.ready.Signal()
	return true
}

// Do runs fn on the executor and waits for it. It must not be called from there.
func (e *Executor) Do(fn func()) {
	e.t.Helper()
	done := make(chan struct{})
	if !e.Post(func() { defer close(done); fn() }) {
		e.t.Fatal("executor has ended")
	}
	<-done
}

// End runs what is queued and ends the executor. Later calls do nothing.
func (e *Executor) End() {
	e.mu.Lock()
	e.ended = true
	e.ready.Signal()
	e.mu.Unlock()
	<-e.finish
}

func (e *Executor) run() {
	over := false
	defer func() {
		if !over {
			go e.run() // a function ended the goroutine
			return
		}
		close(e.finish)
	}()
	for fn := e.next(); fn != nil; fn = e.next() {
		e.call(fn)
	}
	over = true
}

func (e *Executor) next() func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) == 0 {
		if e.ended {
			return nil
		}
		e.ready.Wait()
	}
	fn := e.queue[0]
	e.queue = e.queue[1:]
	return fn
}

func (e *Executor) call(fn func()) {
	e.busy.Store(true)
	defer e.busy.Store(false)
	fn()
}

// check fails the test if nobody can be on the executor. A call from elsewhere
// that happens to meet a busy executor is left to the race detector.
func (e *Executor) check(method string) {
	e.t.Helper()
	if !e.busy.Load() {
		e.t.Errorf("%s called outside the executor", method)
	}
}
