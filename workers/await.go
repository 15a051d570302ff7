package workers

import (
	"runtime"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Await runs fn and returns when it has returned.
//
// Under gtornado, fn runs on a goroutine of its own while the loop goes on, and
// must not use the call. If fn panics, Await panics with an *asteri.PanicError.
// If the client goes meanwhile, Await returns asteri.ErrClosed at once, and
// nobody waits for fn. In the other models fn runs in place.
func (c *Call) Await(fn func()) error {
	if !c.inline() {
		if err := c.failure(); err != nil {
			return err
		}
		fn()
		return c.failure()
	}
	c.watch()
	var over, abandoned bool
	var raised *asteri.PanicError
	jobs.Begin()
	go c.runGuarded(fn, func(p *asteri.PanicError) {
		c.mu.Lock()
		raised, over = p, true
		lost := abandoned && p != nil
		c.mu.Unlock()
		if lost {
			c.logPanic("awaited function panicked after its client had gone", p)
		}
		c.below.Home().Post(c.signal)
		jobs.End()
	})
	c.mu.Lock()
	c.wait(func() bool { return over || c.err != nil })
	abandoned = !over
	err, p := c.err, raised
	c.mu.Unlock()
	if p != nil {
		panic(p)
	}
	return err
}

// Block runs fn, which may block and may use the call as handlers of the other
// models do, and returns when it has returned. Under gtornado fn runs on a
// goroutine of its own while the loop goes on, whether or not the client stays;
// if it panics, Block panics with an *asteri.PanicError. In the other models fn
// runs in place.
func (c *Call) Block(fn func()) {
	if !c.inline() {
		fn()
		return
	}
	c.watch()
	co := c.co
	var raised *asteri.PanicError
	c.mu.Lock()
	c.co = nil
	c.runs()
	c.mu.Unlock()
	go c.runGuarded(fn, func(p *asteri.PanicError) {
		resume := func() {
			c.mu.Lock()
			c.co = co
			c.rests()
			c.mu.Unlock()
			raised = p
			co.resume()
		}
		if !c.below.Home().Post(resume) {
			resume() // the executor has ended: the handler ends here, or never
		}
	})
	co.park()
	if raised != nil {
		panic(raised)
	}
}

// runGuarded runs fn, and then done with how fn failed to return, or nil. If fn
// ended the goroutine, done is the last that runs on it. It is a method so that
// stacks show whom it works for: see dump.method.
//
//go:noinline
func (c *Call) runGuarded(fn func(), done func(p *asteri.PanicError)) {
	returned := false
	defer func() {
		if returned {
			done(nil)
		} else {
			done(callback.Panicked(recover()))
		}
	}()
	fn()
	returned = true
	runtime.KeepAlive(c)
}
