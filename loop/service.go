package loop

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
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

// Attach makes s a part of the engine: Run, Drain and Close see to it too. It returns
// ErrStopped if the engine drains or is closed, and a *MisuseError for nil.
func (e *Engine) Attach(s Service) error {
	if s == nil {
		return &MisuseError{"Engine.Attach", "the service must not be nil"}
	}
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
	admitted := false
	defer func() {
		if v := recover(); v != nil {
			logPanic(e.cfg.Logger, "Config.Exempt panicked", v)
		}
		if !admitted {
			e.open.Add(-1)
		}
	}()
	counted, ok := e.clients.enter(addr)
	if !ok {
		e.refused.add(refusedAddress)
		return nil, false
	}
	admitted = true
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
func (e *Engine) Crowded(addr netip.Addr) (crowded bool) {
	defer func() {
		if v := recover(); v != nil {
			logPanic(e.cfg.Logger, "Config.Exempt panicked", v)
			crowded = true
		}
	}()
	return e.clients.crowded(addr)
}

// drainServices drains all services beside each other, and returns how many were not
// done in time.
func (e *Engine) drainServices(ctx context.Context) (late int) {
	var drained sync.WaitGroup
	var cutOff atomic.Int32
	for _, s := range e.attached() {
		drained.Add(1)
		go func() {
			defer drained.Done()
			defer recoverFrom(e.cfg.Logger, "a service panicked as it was to drain")
			s.Drain(ctx)
			if ctx.Err() != nil {
				cutOff.Add(1)
			}
		}()
	}
	drained.Wait()
	return int(cutOff.Load())
}

// closeServices ends all services, and returns the first error.
func (e *Engine) closeServices() (err error) {
	for _, s := range e.attached() {
		if closing := e.closeService(s); err == nil {
			err = closing
		}
	}
	return err
}

func (e *Engine) closeService(s Service) (err error) {
	defer func() {
		if v := recover(); v != nil {
			logPanic(e.cfg.Logger, "a service panicked as it was to end", v)
			err = &PanicError{v}
		}
	}()
	return s.Close()
}

func (e *Engine) attached() []Service {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.services
}
