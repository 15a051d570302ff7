package loop

import (
	"sync"
	"sync/atomic"
)

// posts is the loop's mailbox: functions from other goroutines, run in order,
// all that are there once a tick.
type posts struct {
	mu     sync.Mutex
	queue  []func()
	ended  bool
	asleep atomic.Bool // the loop waits, or is about to: it needs a wake-up
	spare  []func()    // the loop's: the slice it ran last
}

// add queues fn and tells whether the loop must be woken.
func (p *posts) add(fn func()) (queued, wake bool) {
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return false, false
	}
	p.queue = append(p.queue, fn)
	p.mu.Unlock()
	return true, p.asleep.Load() && p.asleep.CompareAndSwap(true, false)
}

// take returns what is queued. The slice is valid until the next call.
func (p *posts) take() []func() {
	p.mu.Lock()
	taken := p.queue
	p.queue = p.spare[:0]
	p.mu.Unlock()
	p.spare = taken
	return taken
}

// sleep announces that the loop will wait, unless something is queued.
func (p *posts) sleep() bool {
	p.asleep.Store(true)
	p.mu.Lock()
	empty := len(p.queue) == 0
	p.mu.Unlock()
	if !empty {
		p.asleep.Store(false)
	}
	return empty
}

func (p *posts) wake() { p.asleep.Store(false) }

// end refuses further functions and returns those that will not run.
func (p *posts) end() []func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	left := p.queue
	p.queue = nil
	return left
}
