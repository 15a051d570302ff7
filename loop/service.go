package loop

import (
	"context"
	"net/netip"
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

// Admit counts a connection of a service, whose client is at addr, against
// MaxConnections and MaxConnectionsPerAddress. ok is false, and the connection is
// counted as refused, if it is one too many. release is to be called once when it is
// over. Both may be called from any goroutine.
func (e *Engine) Admit(addr netip.Addr) (release func(), ok bool) {
	if !e.enter() {
		return nil, false
	}
	counted, ok := e.clients.enter(addr)
	if !ok {
		e.turnAway(refusedAddress)
		return nil, false
	}
	return func() {
		e.open.Add(-1)
		if counted {
			e.clients.leave(addr)
		}
	}, true
}

// Crowded tells whether half of the connections that the client at addr may have
// are taken. A service whose clients can forge their address has further ones prove
// it, so that nobody can use up the other half in another's name.
func (e *Engine) Crowded(addr netip.Addr) bool { return e.clients.crowded(addr) }

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
