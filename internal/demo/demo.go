// Package demo is the application that the server runs when it is given none. It
// answers quickly, slowly, much and little, so that a newcomer can try the server,
// and tests and benchmarks can load it.
//
// It comes as the two kinds of Go handlers, which answer alike: native for the
// event loop itself, which never waits and is called back instead, and sequential
// for the models under which a handler may wait. New picks by model, so that each
// model really runs the demonstration in its own way.
package demo

import (
	"fmt"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers"
)

// New returns the demonstration as the worker model of that name runs it.
func New(model string, o workers.Options, sockets *websocket.Server) (asteri.Handler, error) {
	r := newRoutes(model, sockets)
	switch model {
	case "sync":
		return workers.Sync(sequential(r), o), nil
	case "gthread":
		return workers.GThread(sequential(r), o), nil
	case "gevent":
		return workers.Gevent(sequential(r), o), nil
	case "asgi":
		return workers.ASGI(sequential(r), o), nil
	case "tornado":
		return workers.Tornado(native(r)), nil
	case "gtornado":
		return workers.GTornado(sequential(r), o), nil
	}
	return nil, fmt.Errorf("no such worker model: %q", model)
}
