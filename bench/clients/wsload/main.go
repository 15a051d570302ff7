// Command wsload loads a WebSocket echo: each connection sends a message, waits
// for its echo, and sends the next.
package main

import (
	"context"

	"github.com/asteri/asteri-loop/bench/clients"
	"github.com/asteri/asteri-loop/bench/load"
)

func main() {
	clients.Main(func(ctx context.Context, l clients.Load) (func() error, func(), error) {
		s, err := load.DialSocket(ctx, l.URL)
		if err != nil {
			return nil, nil, err
		}
		return s.Echo, func() { _ = s.Close() }, nil
	})
}
