package workers

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
)

// Coroutines is the gtornado model.
type Coroutines struct {
	handler Handler
	options Options
	free    freeLists
	dog     watchdog
	stacks  stacks

	timedOut atomic.Uint64
}

// GTornado runs h natively on the loop: a call starts inline, as a coroutine, and
// leaves the loop to others whenever it waits in a method of its Call. What
// blocks otherwise holds the loop and belongs into Call.Await or Call.Block. h
// must not call runtime.LockOSThread, which makes the next wait a fatal error of
// the runtime; if it calls runtime.Goexit, the loop goes on, on another
// goroutine, and the exchange is aborted.
//
// It uses Timeout and Logger. Timeout is for handlers that wait: one that holds
// the loop cannot be interrupted, see WatchLoops. Close the model when it serves
// no more.
func GTornado(h Handler, o Options) *Coroutines {
	g := &Coroutines{handler: h, options: o.withDefaults(), free: freeLists{seed: maphash.MakeSeed()}}
	g.dog = watchdog{limit: o.Timeout, late: g.late}
	return g
}

func (g *Coroutines) late(calls []*Call) {
	g.timedOut.Add(uint64(len(calls)))
	where := g.stacks.take()
	for _, c := range calls {
		c.expire(where)
	}
}

// ServeExchange runs the handler on x until it ends or waits.
func (g *Coroutines) ServeExchange(x asteri.Exchange) {
	x.Request().Handling.Model = "gtornado"
	home := x.Home()
	free := g.free.of(home)
	co := free.take()
	if co == nil {
		co = newCoroutine(g.handler, free, &g.dog, g.options.Logger)
	}
	co.start(x, home)
}

// Stats returns the present numbers. Calls that timed out are among those that run
// until their handlers return: there is no place that they hold.
func (g *Coroutines) Stats() Stats {
	s := Stats{TimedOut: g.timedOut.Load()}
	for i := range g.free.lists {
		l := &g.free.lists[i]
		l.mu.Lock()
		s.Running += l.stats.Running
		s.Served += l.stats.Served
		l.mu.Unlock()
	}
	return s
}

// Close releases the coroutines that are kept for further calls. Calls that run
// are not affected.
func (g *Coroutines) Close() error {
	for i := range g.free.lists {
		g.free.lists[i].close()
	}
	return nil
}
