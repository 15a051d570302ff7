// Package onloop holds what the protocols have in common whose connections are the
// reactor's. It knows both the loop and the handler contract, and puts what the one
// says into the words of the other.
package onloop

import (
	"errors"
	"fmt"

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
