package loop

import "sync"

// posts is the loop's mailbox: functions from other goroutines, run in order.
type posts struct {
	mu    sync.Mutex
	queue []func()
	ended bool
	spare []func() // the loop's: the slice it ran last
}

// add queues fn, unless the loop has ended.
func (p *posts) add(fn func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.queue = append(p.queue, fn)
	return true
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

func (p *posts) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// end refuses further functions and returns those that will not run.
func (p *posts) end() []func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	left := p.queue
	p.queue = nil
	return left
}
