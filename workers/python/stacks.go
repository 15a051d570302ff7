package python

import (
	"context"
	"errors"
	"sync"

	"github.com/asteri/asteri-loop/workers/python/internal/process"
)

// stackWaiters are those who have asked for a worker's stacks. One answer is for all.
type stackWaiters struct {
	mu      sync.Mutex
	waiting []chan<- map[string]string
}

// add enters a channel with room for one answer.
func (s *stackWaiters) add(c chan<- map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, c)
}

// forget takes back a channel whose owner waits no more.
func (s *stackWaiters) forget(c chan<- map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.waiting {
		if one == c {
			s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
			return
		}
	}
}

// answer hands the stacks to all who wait.
func (s *stackWaiters) answer(stacks map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.waiting {
		c <- stacks
	}
	s.waiting = nil
}

// ErrNoWorker is the error for a process id that no worker has.
var ErrNoWorker = errors.New("no worker that serves has this process id")

// Stacks returns, by the names of its threads, where the worker with a process id is.
// It works while the worker is busy, for a thread of its own answers, but not while
// its interpreter is held; it gives up when ctx is done.
func (p *Pool) Stacks(ctx context.Context, pid int) (map[string]string, error) {
	w := p.serving(pid)
	if w == nil {
		return nil, ErrNoWorker
	}
	answer := make(chan map[string]string, 1)
	w.stacks.add(answer)
	defer w.stacks.forget(answer)
	w.control.Stack(0)
	select {
	case stacks := <-answer:
		return stacks, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serving returns the worker with a process id, if it has been ready and has not
// ended, or nil.
func (p *Pool) serving(pid int) *worker {
	ws := p.workers.Load()
	if ws == nil || pid <= 0 {
		return nil
	}
	for _, w := range *ws {
		if int(w.pid.Load()) == pid && w.is(stateReady, stateDraining) {
			return w
		}
	}
	return nil
}

// Restart puts another worker in the place of the one with a process id, which serves on
// until then, and finishes what it has within the graceful timeout.
func (p *Pool) Restart(pid int) error {
	w := p.serving(pid)
	if w == nil {
		return ErrNoWorker
	}
	p.supervisor.post(func(s *supervisor) { s.relieve(w, "it was asked for") })
	return nil
}

// KillWorker ends the worker with a process id at once, and another takes its place. Its
// requests fare as those of a worker that has died: once more elsewhere, or 502.
func (p *Pool) KillWorker(pid int) error {
	w := p.serving(pid)
	if w == nil {
		return ErrNoWorker
	}
	p.supervisor.post(func(s *supervisor) { s.kill(w, process.Stopped, "it was asked for") })
	return nil
}
