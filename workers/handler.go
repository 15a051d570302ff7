// Package workers runs Go handlers under the six worker models: sync, gthread,
// gevent, asgi, tornado and gtornado. Each model turns a handler into an
// asteri.Handler, which any protocol can serve.
//
// Handlers come in two kinds. A native asteri.Handler runs on the event loop of
// its connection and must not block; tornado takes it as it is. A Handler of
// this package reads, writes and waits in plain sequence through its Call, and
// the model decides what waiting means:
//
//	model     a Handler runs
//	sync      on one of W goroutines, one request at a time each
//	gthread   on one of W x T goroutines
//	gevent    on a goroutine of its own, at most WorkerConnections at once
//	asgi      on a goroutine of its own
//	gtornado  on the loop, as a coroutine: waiting lets the loop go on
//
// For net/http handlers see package nethttp, which makes a Handler of them.
package workers

import (
	"log/slog"
	"time"
)

// Handler answers a call in sequence.
//
// ServeCall may wait in the methods of the call. Under gtornado it must wait
// nowhere else, except in functions given to Call.Await or Call.Block. The call
// must not be used after ServeCall has returned. A response that ServeCall has
// begun and not finished is then finished; one that it has not begun is
// answered 500. If ServeCall panics, the exchange is aborted with an
// *asteri.PanicError.
type Handler interface {
	ServeCall(c *Call)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(c *Call)

// ServeCall calls f.
func (f HandlerFunc) ServeCall(c *Call) { f(c) }

// Options bound a model. Zero means the default. Each model names the options
// that it uses.
type Options struct {
	// Workers is the number of workers, for sync and gthread. Default 1.
	Workers int
	// Threads is the number of threads of each worker, for gthread.
	// Default 1.
	Threads int
	// WorkerConnections is the number of requests that run at once, for
	// gevent. Default 1000.
	WorkerConnections int
	// QueueSize is how many requests may wait for their turn, for sync,
	// gthread and gevent. Those beyond it are answered 503. Default 1024.
	QueueSize int
	// QueueTimeout is how long a request may wait for its turn before it
	// is answered 503. Default 30 s; negative for no limit.
	QueueTimeout time.Duration
	// Timeout is what a handler may take to begin its response, and for sync
	// and gthread, where it holds a worker, also to go on with it. Waiting for
	// the client does not count. Then the client is answered 504 and the
	// call's context is done; the goroutine cannot be ended, so another takes
	// its place, and it counts as Late until it returns. Default 60 s; negative
	// for no limit. It stands in place of asteri.Timeouts.Handler.
	Timeout time.Duration
	// ResponseSpoolMax is how many bytes of one response may wait in a
	// temporary file for a slow client, for sync and gthread, so that the
	// worker is free. Default 1 GiB; negative for none.
	ResponseSpoolMax int64
	// Logger takes the panics of handlers, and calls that time out. Default
	// slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Workers = orDefault(o.Workers, 1)
	o.Threads = orDefault(o.Threads, 1)
	o.WorkerConnections = orDefault(o.WorkerConnections, 1000)
	o.QueueSize = orDefault(o.QueueSize, 1024)
	if o.ResponseSpoolMax == 0 {
		o.ResponseSpoolMax = 1 << 30
	}
	if o.QueueTimeout == 0 {
		o.QueueTimeout = 30 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}
