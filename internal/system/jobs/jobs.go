// Package jobs runs what an event loop must not wait for: disks, and long
// computations.
package jobs

import (
	"sync"
)

// Pool runs jobs on at most a fixed number of goroutines, which exist only while
// there are jobs. Those beyond the number wait in the order they came.
//
// A pool bounds what runs, not what waits: who adds jobs bounds them, usually by
// having at most one for each exchange.
type Pool struct {
	limit int

	mu      sync.Mutex
	waiting []func() // waiting[next:] have not begun
	next    int
	running int
}

// NewPool returns a pool of at most limit goroutines.
func NewPool(limit int) *Pool { return &Pool{limit: limit} }

// Go runs job soon. It may be called from any goroutine and never blocks.
func (p *Pool) Go(job func()) {
	Begin()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == p.limit {
		p.waiting = append(p.waiting, job)
		return
	}
	p.running++
	go p.work(job)
}

// work runs job and what else waits. A job that panics ends the program, as any
// goroutine's would; one that ends its goroutine has another take its place.
func (p *Pool) work(job func()) {
	defer func() {
		if job != nil {
			End()
			go p.work(p.take())
		}
	}()
	for job != nil {
		job()
		End()
		job = p.take()
	}
}

// take returns the next job, or nil when the goroutine is not needed any more.
func (p *Pool) take() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == len(p.waiting) {
		p.waiting, p.next = p.waiting[:0], 0
		p.running--
		return nil
	}
	job := p.waiting[p.next]
	p.waiting[p.next] = nil
	p.next++
	if p.next == len(p.waiting) {
		p.waiting, p.next = p.waiting[:0], 0
	}
	return job
}
