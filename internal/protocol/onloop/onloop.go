// Package onloop holds what the protocols have in common whose connections are the
// reactor's. It knows both the loop and the handler contract, and puts what the one
// says into the words of the other.
package onloop

import (
	"errors"
	"fmt"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/loop"
)

// Peer describes who is at the other end of a connection.
func Peer(info *loop.ConnInfo) asteri.Peer {
	p := asteri.Peer{
		Remote:     info.Remote,
		Local:      info.Local(),
		Network:    info.Network,
		SocketPath: info.SocketPath,
		TLS:        info.TLS,
	}
	if info.Proxied {
		p.Proxy = &asteri.Proxy{Anonymous: info.Anonymous}
	}
	return p
}

// Gone returns why nobody waits for an answer any more, from the cause that OnClose
// was given.
func Gone(cause error) error {
	switch {
	case errors.Is(cause, loop.PeerClosed):
		return asteri.ErrClientGone
	case errors.Is(cause, loop.DrainExpired):
		return asteri.ErrStopping
	case errors.Is(cause, loop.QueueFull):
		return httpfield.ErrQueueFull // it is not the client's doing
	}
	return fmt.Errorf("%w: %w", asteri.ErrClientGone, cause)
}

// Locals keeps, for each loop, what the sessions of a protocol share there. The zero
// value is empty. It may be used by several loops at a time.
type Locals[T any] struct {
	values sync.Map // *loop.Loop to *T
}

// On returns the T of l, which calls it, and makes one the first time.
func (s *Locals[T]) On(l *loop.Loop, make func() *T) *T {
	if known, ok := s.values.Load(l); ok {
		return known.(*T)
	}
	made := make()
	s.values.Store(l, made) // only the loop itself asks for its own
	return made
}
