package workers

import (
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/workers/internal/spool"
	"github.com/asteri/asteri-loop/workers/internal/turns"
)

// Pool runs calls on goroutines, at most so many at once. Calls beyond that wait
// in a bounded queue, and are forgotten there when their client goes. An idle
// worker is no goroutine at all, so a pool needs no end.
type Pool struct {
	model   string
	handler Handler
	options Options
	limit   int          // calls that run at once; 0: any number
	whole   bool         // read a request body before a worker is taken
	spools  *spool.Store // for responses that clients are slow to take; or nil
	dog     watchdog
	stacks  stacks

	mu       sync.Mutex
	queue    turns.Queue[*Call]
	expiring bool // expire will be called
	stats    Stats
}

// Stats tells about the calls of a model.
type Stats struct {
	// Running and Queued are the calls that run, and that wait to. Late are
	// those that still run after they timed out, in nobody's place.
	Running, Queued, Late int
	// Served counts the calls that have run, Refused those that were
	// answered 503, TimedOut those that took longer than Options.Timeout.
	Served, Refused, TimedOut uint64
}

// newPool makes a pool that runs limit calls at once. Where that is few, clients
// shall not hold them: whole says that neither bodies nor responses may.
func newPool(model string, h Handler, o Options, limit int, whole bool) *Pool {
	p := &Pool{model: model, handler: h, options: o, limit: limit, whole: whole}
	if whole && o.ResponseSpoolMax > 0 {
		p.spools = spool.NewStore("")
	}
	p.dog = watchdog{limit: o.Timeout, goesOn: whole, late: p.late}
	return p
}

// Stats returns the present numbers.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Queued = p.queue.Len()
	return s
}

// ServeExchange has a worker answer x.
func (p *Pool) ServeExchange(x asteri.Exchange) {
	x.Request().Handling.Model = p.model
	if p.spools != nil {
		x = p.spools.Exchange(x, p.options.ResponseSpoolMax, p.options.Logger)
	}
	c := newCall(x, p.options.Logger)
	c.pooled = true
	c.Request().Handling.Progress = (*progress)(c)
	if p.whole && x.Request().HasBody() {
		if p.full(x.Request()) {
			p.refuse(c) // before the client sends it for nothing
			return
		}
		c.announce()
		go p.serveWhole(c)
		return
	}
	if p.admit(c) {
		c.announce()
		go p.work(c)
	}
}

// serveWhole reads the body before it looks for a worker, so that a slow client
// holds none.
func (p *Pool) serveWhole(c *Call) {
	if err := c.readWhole(); err != nil {
		c.Abort(err)
		c.close(nil, true)
		return
	}
	c.submitted = time.Since(c.Request().Received)
	if p.admit(c) {
		p.work(c)
	} else {
		c.withdraw()
	}
}

// admit tells whether c may run now. If not, c was queued, or refused.
func (p *Pool) admit(c *Call) bool {
	p.mu.Lock()
	if p.limit == 0 || p.stats.Running < p.limit {
		p.stats.Running++
		p.mu.Unlock()
		return true
	}
	refused := p.enqueue(c)
	p.mu.Unlock()
	if refused != nil {
		p.refuse(refused)
	}
	if refused != c {
		c.onGone(func() {
			if p.remove(c) {
				c.close(nil, true)
			}
		})
	}
	return false
}

// enqueue has c wait. It returns the call for which there is no room then, if any: c, or
// one whose connection has more calls before it than that of c.
func (p *Pool) enqueue(c *Call) (refused *Call) {
	if p.queue.Len() >= p.options.QueueSize {
		last := p.queue.Hindmost(c.Request())
		if last == nil {
			return c
		}
		p.queue.Remove(last)
		refused = last.Value
	}
	c.turn.Value = c
	p.queue.PushBack(&c.turn, c.Request())
	if p.options.QueueTimeout > 0 {
		c.until = awake.Now() + p.options.QueueTimeout
		p.expireAt(c.until)
	}
	return refused
}

// full tells whether the queue has no room for a request.
func (p *Pool) full(r *asteri.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit > 0 && p.queue.Len() >= p.options.QueueSize && p.queue.Hindmost(r) == nil
}

// remove takes c out of the queue, if it is still in there.
func (p *Pool) remove(c *Call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.Remove(&c.turn)
}

// work is a worker: it runs c, and what waits in the queue after it.
func (p *Pool) work(c *Call) {
	defer func() {
		if c == nil {
			return
		}
		// The handler has ended this goroutine.
		if c = p.next(c); c != nil {
			go p.work(c)
		}
	}()
	for c != nil {
		p.dog.begin(c)
		c.taken.Store(int64(time.Since(c.Request().Received)))
		c.run(p.handler)
		c = p.next(c)
	}
}

// next ends a call and returns the one that takes its place, or nil.
func (p *Pool) next(c *Call) *Call {
	p.dog.end(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Served++
	c.returned = true
	if c.displaced {
		p.stats.Late--
		return nil
	}
	return p.successor()
}

// successor returns the call that takes the place of one, or nil.
func (p *Pool) successor() *Call {
	first := p.queue.PopFront()
	if first == nil {
		p.stats.Running--
		return nil
	}
	first.Value.announce()
	return first.Value
}

// maxLate bounds the goroutines that go on behind calls that timed out. A call
// beyond that number keeps its worker.
const maxLate = 1000

// late answers for calls that take too long.
func (p *Pool) late(calls []*Call) {
	where := p.stacks.take()
	for _, c := range calls {
		over, next := p.displace(c)
		if over {
			continue
		}
		c.expire(where, "worker_replaced", c.displaced)
		if next != nil {
			go p.work(next)
		}
	}
}

// displace gives the place of c to the next call, unless c is over just now.
func (p *Pool) displace(c *Call) (over bool, next *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.returned {
		return true, nil
	}
	p.stats.TimedOut++
	if p.stats.Late >= maxLate {
		return false, nil
	}
	c.displaced = true
	p.stats.Late++
	return false, p.successor()
}

// expireAt has the queue looked through then, or earlier if that is due already.
func (p *Pool) expireAt(until time.Duration) {
	if !p.expiring {
		p.expiring = true
		time.AfterFunc(max(until-awake.Now(), 0), p.expire)
	}
}

func (p *Pool) expire() {
	var due []*Call
	now, earliest := awake.Now(), time.Duration(0)
	p.mu.Lock()
	p.expiring = false
	for place := range p.queue.All() {
		switch c := place.Value; {
		case c.until <= now:
			p.queue.Remove(place)
			due = append(due, c)
		case earliest == 0 || c.until < earliest:
			earliest = c.until
		}
	}
	if earliest != 0 {
		p.expireAt(earliest)
	}
	p.mu.Unlock()
	for _, c := range due {
		p.refuse(c)
	}
}

// refuse answers that there is no worker for c.
func (p *Pool) refuse(c *Call) {
	p.mu.Lock()
	p.stats.Refused++
	p.mu.Unlock()
	c.Abort(&asteri.StatusError{Code: 503, Reason: "no worker is free", RetryAfter: 1})
	c.close(nil, true)
}
