package python

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// What becomes of a call: each is told of at its home, once it is known at the link, at the
// dispatcher or by the supervisor.

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
		c.atHome.retried = true
		c.pool.counts.retried.Add(1)
		c.again(how.trial)
	default:
		c.refuse(&asteri.StatusError{Code: http.StatusBadGateway, Reason: "the worker died before it answered"})
	}
}

var errWorkerLost = errors.New("the worker died in the middle of its response")

// answer sends a whole response.
func (c *call) answer(a *wire.Answer) {
	if c.atHome.over || c.spoken() {
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
	c.abort(&CallError{Message: f.Message, Traceback: f.Traceback})
}

// CallError says that the application has failed at a request: an exchange is aborted with
// it, and its client answered 500 if the response had not begun.
type CallError struct {
	// Message is one line: the exception, or which rule was broken. Traceback is Python's,
	// empty if there was no exception.
	Message, Traceback string
}

// Error says what everybody may know.
func (e *CallError) Error() string { return errFailed.Error() }

// Unwrap returns the status.
func (e *CallError) Unwrap() error { return errFailed }

var errFailed = &asteri.StatusError{Code: http.StatusInternalServerError, Reason: "the application failed"}

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
	case c.atHome.reply != nil:
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
