// Package demo is the application that the server runs when it is given none. It
// answers quickly, slowly, much and little, so that a newcomer can try the server,
// and tests and benchmarks can load it.
//
// It comes as the two kinds of Go handlers, which answer alike: Native for the
// event loop itself, which never waits and is called back instead, and Sequential
// for the models under which a handler may wait. New picks by model, so that each
// model really runs the demonstration in its own way.
package demo

import (
	"fmt"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
)

// New returns the demonstration as the worker model of that name runs it.
func New(model string, o workers.Options) (asteri.Handler, error) {
	switch model {
	case "sync":
		return workers.Sync(Sequential(model), o), nil
	case "gthread":
		return workers.GThread(Sequential(model), o), nil
	case "gevent":
		return workers.Gevent(Sequential(model), o), nil
	case "asgi":
		return workers.ASGI(Sequential(model), o), nil
	case "tornado":
		return workers.Tornado(Native(model)), nil
	case "gtornado":
		return workers.GTornado(Sequential(model), o), nil
	}
	return nil, fmt.Errorf("no such worker model: %q", model)
}
