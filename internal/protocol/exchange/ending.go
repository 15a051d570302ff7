package exchange

import (
	"errors"
	"log/slog"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// state is how far an exchange has come. This is all that moves it:
//
//	in      by                                       becomes   client gets   handler hears
//	asked   Start                                    begun     the head
//	asked   Respond                                  finished  all
//	asked   Abort, Finish, a mistake in its head     refused   an error
//	asked   a crash, CheckHandler                    refused   an error      OnCancel
//	asked   Fail, CheckBody, Receive of too much     refused   an error      OnCancel
//	asked   Upgrade                                  upgraded  the head
//	begun   Finish                                   finished  the end
//	begun   Abort, a mistake                         aborted   a reset
//	begun   a crash, CheckHandler                    aborted   a reset       OnCancel
//	begun   FileFailed                               aborted   a reset
//	begun   BodyFailed, CheckBody, Receive           begun                   OnError
//	asked   HalfClosed                               asked                   OnCancel, OnError
//	begun   HalfClosed                               begun                   OnCancel, OnError
//	asked   Cancel                                   lost      nothing       OnCancel
//	begun   Cancel                                   lost      nothing       OnCancel
//
// From finished on it is over, and stays as it is. A sink that has not had all of the
// request's content hears of each end by OnError, before OnCancel does. What the handler
// does then returns ErrClosed, and only says that it is done (LetGo).
type state uint8

const (
	asked    state = iota // the handler has the request
	begun                 // the response has begun
	finished              // all of it is queued, as the handler has made it
	refused               // all of it is queued: an error
	aborted               // it was reset in its middle
	lost                  // there is no client any more
	upgraded              // it goes on as a tunnel
)

// Over implements Party.
func (x *Exchange) Over() bool { return x.state >= finished }

// Begun tells whether the response has begun and not ended.
func (x *Exchange) Begun() bool { return x.state == begun }

// end is the end of every exchange, for which all that there is has been queued by then.
// h is the response's header, cause why it did not end well.
func (x *Exchange) end(how state, h *asteri.Header, cause error) {
	x.over(how)
	if x.at.Settings.Observer != nil {
		x.observe(h, cause)
	}
	switch how {
	case finished, refused:
		x.wire.Done()
	case aborted:
		x.wire.Reset(cause)
	}
	if cause == nil {
		cause = asteri.ErrClosed
	}
	x.failBody(cause)
}

func (x *Exchange) over(how state) {
	x.state = how
	x.onDrain = nil
	if x.kept || x.posted.Load() {
		x.closed.Store(true)
	}
}

// Abort ends the exchange without a clean end.
func (x *Exchange) Abort(cause error) {
	x.at.owned()
	if x.Over() {
		x.letGo = true
		return
	}
	callback.Mistake(x.at.Settings.Logger, cause, &x.req)
	x.abort(cause, false)
}

// abort is Abort. last says that the connection cannot go on, whatever is asked for.
func (x *Exchange) abort(cause error, last bool) {
	if x.state == begun {
		x.end(aborted, &x.header, cause)
		return
	}
	refusal, wanted := httpfield.RefusalOf(cause)
	x.refuse(refusal, cause, last || !wanted)
}

// mistake ends the exchange for a mistake of the application: its handler perhaps does
// not look at the error.
func (x *Exchange) mistake(err error) error {
	x.Abort(err)
	return err
}

// Fail ends an exchange that is not over for a reason that lies in the request.
func (x *Exchange) Fail(cause *asteri.StatusError) {
	x.cause = cause // from here on, so that x is not released before it is told
	defer x.cancelled(cause)
	x.refuse(cause, cause, true)
}

// expire ends the exchange of a handler that does not.
func (x *Exchange) expire(cause error) {
	x.cause = cause // as in Fail
	defer x.cancelled(cause)
	x.abort(cause, true)
}

// refuse answers with an error. last says that the connection cannot go on.
func (x *Exchange) refuse(refusal *asteri.StatusError, cause error, last bool) {
	var h asteri.Header
	h.Add("Content-Type", "text/plain; charset=utf-8")
	if refusal.RetryAfter > 0 {
		h.AddInt("Retry-After", int64(refusal.RetryAfter))
	}
	text := []byte(httpfield.RefusalText(refusal))
	if err := x.compose(refusal.Code, &h, int64(len(text))); err != nil {
		panic(err) // its fields are our own
	}
	x.at.head.Last = last
	x.commitWhole(text)
	x.end(refused, &h, cause)
}

// FileFailed says that a file cannot be read of which content is being sent: the client
// sees a reset. The handler has perhaps finished, and the observer been told, so that it
// is said here.
func (x *Exchange) FileFailed(err error) {
	x.at.Settings.Logger.Error("cannot read a file that is being sent", x.req.LogAttr(), slog.Any("error", err))
	if x.Over() {
		x.wire.Reset(err)
		return
	}
	x.Abort(err)
}

// Cancel implements Party.
func (x *Exchange) Cancel(cause error) {
	if x.Over() {
		x.body.close(x)
		return
	}
	x.cause = cause // as in Fail
	defer x.cancelled(cause)
	x.end(lost, &x.header, cause)
}

// HalfClosed implements Party.
func (x *Exchange) HalfClosed() {
	x.PeerEnded()
	if !x.Over() && !x.body.ended {
		x.failBody(asteri.ErrHalfClosed)
	}
	x.watch()
}

// PeerEnded is HalfClosed of a client that has sent content which has not been passed on.
func (x *Exchange) PeerEnded() {
	x.turn.Begin(x.at.Awake())
	if !x.Over() {
		x.cancelled(asteri.ErrHalfClosed)
	}
}

// PeerHadEnded says of a request that is yet to be served that nothing came behind it.
func (x *Exchange) PeerHadEnded() { x.cause = asteri.ErrHalfClosed }

// OnCancel sets the function to call when nobody waits any more.
func (x *Exchange) OnCancel(fn func(cause error)) {
	x.at.owned()
	x.kept = true
	x.onCancel = fn
	x.told = false
	if x.cause != nil {
		x.at.Home.Post(x.tellCause)
	}
}

// cancelled notes that nobody waits for the answer any more, or may not.
func (x *Exchange) cancelled(cause error) {
	x.cause = cause
	x.told = false
	x.tellCause()
}

// tellCause reports each cause once. That the client half-closed is no news once
// it has been answered.
func (x *Exchange) tellCause() {
	if x.told || x.onCancel == nil || x.Over() && errors.Is(x.cause, asteri.ErrHalfClosed) {
		return
	}
	x.told = true
	x.invoke(callback.Invocation{Kind: callback.Cancel, Cancel: x.onCancel, Err: x.cause})
}

// endCause returns why x is over.
func (x *Exchange) endCause() error {
	if x.cause != nil {
		return x.cause
	}
	return asteri.ErrClosed
}
