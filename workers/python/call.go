package python

import (
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/spool"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/takeover"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// call is one request on its way through the pool.
type call struct {
	pool     *Pool
	x        asteri.Exchange
	req      *asteri.Request
	home     asteri.Executor
	onCancel func(cause error) // cancelled, made once
	// upgrade is req as a worker with WebSockets gets it, if it asks for one;
	// rawForm as one gets it that is given a socket, if it offers an upgrade.
	upgrade, rawForm *asteri.Request

	ticket dispatch.Ticket // the dispatcher's

	// The link's, while the call is in its table, which table names.
	table     atomic.Pointer[callTable]
	id        uint32
	started   time.Time // when it is taken to run; zero while it waits in the link
	lastFrame time.Time
	window    int   // response bytes that the worker may send
	informed  int32 // bytes of the fields of interim responses
	unread    int32 // bytes of a streamed body that were sent and not granted again
	informs   uint8 // interim responses that have come
	begun     bool  // a frame of the response has come
	complete  bool  // its last one has: only WINDOW and DONE may follow
	filed     bool  // a FILE has come
	left      bool  // the worker was told that the client has left for good
	asked     bool  // it was asked back by RECALL
	abandoned bool  // it timed out; the worker may still be at it
	tookOver  bool  // the application has taken over the connection

	history history // for the observer

	body wire.Content // how the body travels; does not change once the call is submitted

	// The home's.
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
		c.bodyKind = bodyStreamed
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
	plain := c.over && c.table.Load() == nil && c.upgrade == nil && c.rawForm == nil && c.raw == nil &&
		c.reply == nil && c.bodyLink == nil && c.buffer == nil && !c.abandoned
	if x, ok := c.x.(asteri.Releaser); !plain || !ok || !x.Release() {
		return
	}
	c.x, c.req, c.home = nil, nil, nil
	c.ticket.Reset()
	c.history.submitted = 0
	c.history.taken.Store(0)
	c.history.worker.Store(0)
	c.body, c.bodyKind, c.held = wire.Content{}, bodyNone, 0
	c.over, c.retried = false, false
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

// crowdedOut answers a call for which the queue has no room.
func (c *call) crowdedOut() {
	c.pool.counts.refused.Add(1)
	c.refuse(&asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "too many requests are waiting for a worker", RetryAfter: retryAfter})
}

// refuseSocket answers an opening handshake for which no worker has room.
func (c *call) refuseSocket() {
	c.pool.counts.refused.Add(1)
	c.pool.warnOfSockets()
	c.refuse(errSocketsFull)
}

// retryAfter is what clients are told when there is no room, in seconds.
const retryAfter = 1

// resubmit asks for another worker: this one has not run the call.
func (c *call) resubmit() { c.again(nil) }

// again asks for another worker, on trial if t is not nil.
func (c *call) again(t *dispatch.Trial) {
	if c.over {
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

// workerLost is called when the worker has gone and the call had not returned.
// begun says that a response had begun, or that the application had failed; how, what the
// call may have had to do with it.
func (c *call) workerLost(begun bool, how loss) {
	switch {
	case c.settled() || c.spoken():
	case begun:
		c.abort(errWorkerLost)
	case how.blamed:
		c.refuse(&asteri.StatusError{Code: http.StatusBadGateway, Reason: "the worker died of this request"})
	case c.repeatable():
		c.retried = true
		c.pool.counts.retried.Add(1)
		c.again(how.trial)
	default:
		c.refuse(&asteri.StatusError{Code: http.StatusBadGateway, Reason: "the worker died before it answered"})
	}
}

// settled tells whether the worker is not needed any more: the exchange has its
// answer, or the front has all of it.
func (c *call) settled() bool { return c.over || c.reply != nil && c.reply.ended }

var errWorkerLost = errors.New("the worker died in the middle of its response")

// repeatable tells whether the request may be sent a second time: it has not been
// yet, doing it twice is as good as once (RFC 9110 section 9.2.2), and its body is
// still there.
func (c *call) repeatable() bool {
	switch c.req.Method {
	case "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE":
		return !c.retried && c.bodyLink == nil && !c.pool.config().NoRetry
	}
	return false
}

// cancelled is called when nobody waits for the answer any more, or perhaps does
// not: a client that has closed its sending side may still read.
func (c *call) cancelled(cause error) {
	hard := !errors.Is(cause, asteri.ErrHalfClosed)
	if c.over {
		if c.tunnels() && hard {
			c.raw.ClientLeft(cause)
		}
		return
	}
	if c.bodyKind == bodyCollecting {
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
	c.over = true
	c.dropRaw()
	if c.buffer != nil {
		c.buffer.Close()
	}
}

// abort ends the exchange without a clean end.
func (c *call) abort(cause error) {
	if !c.over {
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
	if c.over {
		return
	}
	c.letGo(err)
}

// letGo aborts the exchange, and tells the worker.
func (c *call) letGo(err error) {
	if at := c.ticket.Room(); at != nil {
		linkOf(at).cancel(c, true, c.home)
	}
	c.abort(err)
}

// finish ends a response that was sent in parts. What is wrong with it then, the
// exchange has logged.
func (c *call) finish(trailer *asteri.Header) {
	if err := c.x.Finish(trailer); err != nil {
		c.letGo(err)
		return
	}
	c.end()
}

// answer sends a whole response.
func (c *call) answer(a *wire.Answer) {
	if c.over || c.spoken() {
		return
	}
	c.account()
	var err error
	switch {
	case a.Invalid != nil:
		err = a.Invalid
	case c.unaskedConnect(a.Status):
		err = errUnaskedConnect
	case a.Whole(c.req.Method):
		err = c.x.Respond(a.Status, a.Header, a.Body)
	default:
		c.respondInParts(a)
		return
	}
	if err != nil {
		c.giveUp(err)
		return
	}
	c.end()
	c.recycle()
}

// respondInParts leaves it to the session to judge the application's
// Content-Length.
func (c *call) respondInParts(a *wire.Answer) {
	err := c.x.Start(a.Status, a.WithLength())
	if err == nil {
		_, err = c.x.Write(a.Body)
	}
	if err != nil {
		c.giveUp(err)
		return
	}
	c.finish(nil)
}

// failed is called when the application raised, or broke the rules. log is the
// worker's.
func (c *call) failed(log *slog.Logger, f wire.Failure) {
	if f.Traceback != "" || !c.settled() || c.tunnels() {
		log.Error("the application failed", f.Attrs(c.req.LogAttr())...)
	}
	if c.settled() || c.spoken() {
		return
	}
	c.abort(&asteri.StatusError{Code: http.StatusInternalServerError, Reason: "the application failed"})
}

// gaveUp is called when the application has ended without all of a response, having
// been told that its client has left.
func (c *call) gaveUp() {
	if !c.settled() && !c.spoken() {
		c.abort(asteri.ErrHalfClosed)
	}
}

// returned is called when the application's call has returned.
func (c *call) returned(log *slog.Logger, unanswered bool) {
	switch {
	case c.spoken() || c.settled():
	case unanswered:
		c.failed(log, wire.Failure{Message: "the application returned without a response"})
	case c.reply != nil:
		c.failed(log, wire.Failure{Message: "the application returned before the end of its response"})
	}
}

// timedOut is called when the application has not answered, or has not gone on
// with its response, in time.
func (c *call) timedOut(begun bool) {
	if c.settled() {
		return
	}
	if begun {
		c.abort(errStalled)
		return
	}
	c.refuse(&asteri.StatusError{Code: http.StatusGatewayTimeout, Reason: "the application did not answer in time"})
}

// expired is called when the call has waited for a worker for too long.
func (c *call) expired() {
	c.pool.counts.expired.Add(1)
	c.refuse(&asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "no worker became free in time", RetryAfter: retryAfter})
}

// stopped is called when there will be no worker any more.
func (c *call) stopped() {
	c.refuse(&asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "the workers have stopped", RetryAfter: retryAfter})
}

// touched notes a sign of life of the call.
func (c *call) touched(now time.Time) { c.lastFrame = now }
