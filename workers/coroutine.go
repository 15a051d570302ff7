package workers

import (
	"hash/maphash"
	"iter"
	"log/slog"
	"sync"

	"github.com/asteri/asteri-loop"
)

// coroutine runs handlers on whatever goroutine resumes it, until they park. It
// is made once and runs many handlers, one after the other: starting one costs a
// switch, which is a fraction of what a goroutine costs.
type coroutine struct {
	log  *slog.Logger
	free *freeList
	dog  *watchdog

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	handler  Handler
	call     *Call
	x        asteri.Exchange // nil between handlers
	home     asteri.Executor
	giveBack func() // returns the ownership of home to who resumed
	parked   bool   // the handler has been, so that the watchdog knows its call
}

func newCoroutine(h Handler, free *freeList, dog *watchdog, log *slog.Logger) *coroutine {
	co := &coroutine{handler: h, free: free, dog: dog, log: log, call: new(Call)}
	co.next, co.stop = iter.Pull(co.loop)
	return co
}

// loop is the coroutine itself.
func (co *coroutine) loop(yield func(struct{}) bool) {
	co.yield = yield
	for more := true; more; more = yield(struct{}{}) {
		co.serve()
	}
}

// serve answers one exchange. If the handler calls runtime.Goexit, that goes on
// in the goroutine that resumed the coroutine, and the coroutine is lost.
func (co *coroutine) serve() {
	co.giveBack = takeOwnership(co.home)
	c := co.call
	defer func() {
		if co.parked {
			co.parked = false
			co.dog.end(c)
		}
		if co.x != nil { // the handler ends the goroutine
			co.free.lost()
		}
		co.giveBack()
	}()
	c.init(co.x, co.log, co)
	c.run(co.handler)
	if c.watched || co.parked {
		co.call = new(Call) // callbacks, or the watchdog, may still refer to the old one
	} else {
		*co.call = Call{}
	}
	co.x = nil
}

// start runs the handler on x until it ends or parks.
func (co *coroutine) start(x asteri.Exchange, home asteri.Executor) {
	co.x, co.home = x, home
	co.resume()
}

// resume goes on where the handler parked. It returns when the handler ends or
// parks again, and is called on the executor.
func (co *coroutine) resume() {
	co.next()
	if co.x == nil {
		co.free.put(co)
	}
}

// park leaves the executor to others until resume is called. Only a call that does
// so can be found late: until then nobody else would run.
func (co *coroutine) park() {
	if !co.parked {
		co.parked = true
		co.dog.begin(co.call)
	}
	co.giveBack()
	co.yield(struct{}{})
	co.giveBack = takeOwnership(co.home)
}

// maxIdle bounds the coroutines that a freeList keeps.
const maxIdle = 256

// freeLists keep idle coroutines, per executor as far as their number allows:
// loops seldom meet on the same lock, and executors may come and go.
type freeLists struct {
	seed  maphash.Seed
	lists [16]freeList
}

type freeList struct {
	mu     sync.Mutex
	idle   []*coroutine
	closed bool
	stats  Stats    // of the calls whose coroutines are from here
	_      [64]byte // no two locks on one cache line
}

func (l *freeLists) of(e asteri.Executor) *freeList {
	return &l.lists[maphash.Comparable(l.seed, e)%uint64(len(l.lists))]
}

// take returns an idle coroutine, or nil, for a call.
func (l *freeList) take() *coroutine {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Running++
	n := len(l.idle)
	if n == 0 {
		return nil
	}
	co := l.idle[n-1]
	l.idle[n-1] = nil
	l.idle = l.idle[:n-1]
	return co
}

func (s *Stats) end() {
	s.Running--
	s.Served++
}

// lost ends the call of a coroutine that does not come back.
func (l *freeList) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.end()
}

// put ends the call of co, and keeps co for later or ends it, too.
func (l *freeList) put(co *coroutine) {
	l.mu.Lock()
	l.stats.end()
	keep := !l.closed && len(l.idle) < maxIdle
	if keep {
		l.idle = append(l.idle, co)
	}
	l.mu.Unlock()
	if !keep {
		co.stop()
	}
}

// close ends the idle coroutines, and the others once they are idle.
func (l *freeList) close() {
	l.mu.Lock()
	idle := l.idle
	l.idle, l.closed = nil, true
	l.mu.Unlock()
	for _, co := range idle {
		co.stop()
	}
}
