package loop

import (
	"context"
	"sync"
)

// Service is a protocol that does not come as byte streams to the engine's
// listeners, but has sockets of its own (HTTP/3 over UDP), and shares the engine's
// life.
type Service interface {
	// Drain refuses what is new, has clients finish what they have begun, and
	// returns when all of them are gone, or when ctx is done: then those that
	// are left are cut off.
	Drain(ctx context.Context)
	// Close ends the service at once. It is called before the loops end, also
	// after Drain.
	Close() error
}

// Attach makes s a part of the engine: Run, Drain and Close see to it too.
func (e *Engine) Attach(s Service) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return ErrStopped
	}
	e.services = append(e.services, s)
	return nil
}

// drainServices drains all services beside each other.
func (e *Engine) drainServices(ctx context.Context) {
	var drained sync.WaitGroup
	for _, s := range e.attached() {
		drained.Go(func() { s.Drain(ctx) })
	}
	drained.Wait()
}

func (e *Engine) closeServices() (err error) {
	for _, s := range e.attached() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}
	return err
}

func (e *Engine) attached() []Service {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.services
}
