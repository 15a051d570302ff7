package python

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/internal/spool"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/takeover"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// call is one request on its way through the pool. Each of its owners has a part of it.
type call struct {
	pool     *Pool
	x        asteri.Exchange
	req      *asteri.Request
	home     asteri.Executor
	onCancel func(cause error) // cancelled, made once
	// upgrade is req as a worker with WebSockets gets it, if it asks for one;
	// rawForm as one gets it that is given a socket, if it offers an upgrade.
	upgrade, rawForm *asteri.Request
	body             wire.Content // how the body travels; does not change once the call is submitted

	ticket  dispatch.Ticket           // the dispatcher's
	table   atomic.Pointer[callTable] // the link's that it is at; nil while it is at none
	atLink  atLink                    // that link's
	atHome  atHome                    // the home's
	history history                   // for the observer
}

// atHome is what the home of a call knows of it.
type atHome struct {
	over     bool // the exchange has its answer, or nobody waits for one
	retried  bool
	bodyKind bodyKind
	buffer   *spool.Buffer    // of a body that is collected
	bodyLink *link            // where a streamed body goes
	held     int              // bytes of it that the worker has not consumed
	reply    *reply           // of a response that is streamed
	raw      *takeover.Socket // lent to the worker
}

type bodyKind uint8

const (
	bodyNone bodyKind = iota
	bodyCollecting
	bodyCollected
	bodyStreamed
)

// ServeExchange gives the request to a worker, or queues it.
func (p *Pool) ServeExchange(x asteri.Exchange) {
	c := p.newCall(x)
	c.req.Handling.Model, c.history.received = p.model(), c.req.Received
	c.req.Handling.Progress = c
	if takeover.Asks(c.req) && !c.offerUpgrade() {
		return
	}
	x.OnCancel(c.onCancel)
	switch {
	case !c.req.HasBody() || c.upgrade != nil || c.rawForm != nil:
		c.submit()
	case p.wholeBodies.Load() || c.isShort():
		c.collect()
	default:
		c.atHome.bodyKind = bodyStreamed
		c.body = wire.Content{Stream: true, Length: c.req.ContentLength}
		c.submit()
	}
}

// newCall makes a call of an exchange, in the memory of one that is over if there is
// such a one.
func (p *Pool) newCall(x asteri.Exchange) *call {
	c, ok := p.spareCalls.Get().(*call)
	if !ok {
		c = new(call)
		c.onCancel = c.cancelled
		c.ticket.Call = c
	}
	c.pool, c.x, c.req, c.home = p, x, x.Request(), x.Home()
	c.ticket.Request = c.req
	x.SetTimeout(-1) // the dispatcher and the supervisor have their own
	return c
}

// recycle gives call and exchange back once they are over, in the plain case: a request
// that took one way through the pool and was answered as a whole. Nobody knows of such
// a call any more, neither the dispatcher nor a link, and if its exchange takes itself
// back, no cancellation can come either.
func (c *call) recycle() {
	plain := c.atHome.over && c.table.Load() == nil && c.upgrade == nil && c.rawForm == nil && c.atHome.raw == nil &&
		c.atHome.reply == nil && c.atHome.bodyLink == nil && c.atHome.buffer == nil && !c.atLink.abandoned
	if x, ok := c.x.(asteri.Releaser); !plain || !ok || !x.Release() {
		return
	}
	c.x, c.req, c.home = nil, nil, nil
	c.ticket.Reset()
	c.history.submitted = 0
	c.history.taken.Store(0)
	c.history.worker.Store(0)
	c.body, c.atHome = wire.Content{}, atHome{}
	c.pool.spareCalls.Put(c)
}

// isShort tells whether the body is better sent with the request. A client that
// waits for 100 (Continue) is one that wants to hear the application first.
func (c *call) isShort() bool {
	return c.req.ContentLength > 0 && c.req.ContentLength <= shortBody && !c.req.Header.Has("expect")
}

// toHome runs fn on the call's executor: at once if that is where the caller is.
// It returns false if the executor has ended.
func (c *call) toHome(at asteri.Executor, fn func()) bool {
	if c.home == at {
		fn()
		return true
	}
	return c.home.Post(fn)
}

// submit asks the dispatcher for a worker.
func (c *call) submit() {
	if c.ticket.Handshake && c.pool.dispatcher.SocketsFull() {
		c.refuseSocket()
		return
	}
	at, refused := c.pool.dispatcher.Submit(&c.ticket, c.home)
	switch {
	case refused == &c.ticket:
		c.crowdedOut()
	case refused != nil:
		other := callOf(refused)
		other.home.Post(other.crowdedOut)
	}
	if at != nil {
		linkOf(at).deliver(c, c.home)
	}
}

// retryAfter is what clients are told when there is no room, in seconds.
const retryAfter = 1

// resubmit asks for another worker: this one has not run the call.
func (c *call) resubmit() { c.again(nil) }

// again asks for another worker, on trial if t is not nil.
func (c *call) again(t *dispatch.Trial) {
	if c.atHome.over {
		return
	}
	c.dropRaw()
	at, ok := c.pool.dispatcher.Resubmit(&c.ticket, c.home, t)
	switch {
	case !ok:
		c.stopped()
	case at != nil:
		linkOf(at).deliver(c, c.home)
	}
}

// settled tells whether the worker is not needed any more: the exchange has its
// answer, or the front has all of it.
func (c *call) settled() bool { return c.atHome.over || c.atHome.reply != nil && c.atHome.reply.ended }

// repeatable tells whether the request may be sent a second time: it has not been
// yet, doing it twice is as good as once (RFC 9110 section 9.2.2), and its body is
// still there.
func (c *call) repeatable() bool {
	switch c.req.Method {
	case "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE":
		return !c.atHome.retried && c.atHome.bodyLink == nil && !c.pool.config().NoRetry
	}
	return false
}

// cancelled is called when nobody waits for the answer any more, or perhaps does
// not: a client that has closed its sending side may still read.
func (c *call) cancelled(cause error) {
	hard := !errors.Is(cause, asteri.ErrHalfClosed)
	if c.atHome.over {
		if c.tunnels() && hard {
			c.atHome.raw.ClientLeft(cause)
		}
		return
	}
	if c.atHome.bodyKind == bodyCollecting {
		if hard {
			c.abort(cause)
		}
		return
	}
	wasQueued, at := c.pool.dispatcher.Withdraw(&c.ticket)
	if at != nil {
		linkOf(at).cancel(c, hard, c.home)
	}
	switch {
	case hard:
		c.abort(cause)
	case wasQueued:
		// Most likely the client has gone. In case it has not, it is told.
		c.refuse(errLeftQueue)
	}
}

var errLeftQueue = &asteri.StatusError{
	Code: http.StatusServiceUnavailable, Reason: "the client closed its side while the request waited for a worker", RetryAfter: retryAfter,
	Err: asteri.ErrHalfClosed,
}

// end says that the exchange has its outcome, and lets go of what the call held.
func (c *call) end() {
	c.atHome.over = true
	c.dropRaw()
	if c.atHome.buffer != nil {
		c.atHome.buffer.Close()
	}
}

// abort ends the exchange without a clean end.
func (c *call) abort(cause error) {
	if !c.atHome.over {
		c.account()
		c.end()
		c.x.Abort(cause)
	}
}

// refuse answers with an error status.
func (c *call) refuse(err *asteri.StatusError) { c.abort(err) }

// giveUp aborts the exchange because of the application's mistake, which the exchange
// logs, and tells the worker that nobody wants the rest.
func (c *call) giveUp(err error) {
	if c.atHome.over {
		return
	}
	if at := c.ticket.Slots(); at != nil {
		linkOf(at).cancel(c, true, c.home)
	}
	c.abort(err)
}

// finish ends a response that was sent in parts. What is wrong with it then, the
// exchange has logged.
func (c *call) finish(trailer *asteri.Header) {
	if err := c.x.Finish(trailer); err != nil {
		c.giveUp(err)
		return
	}
	c.end()
}
