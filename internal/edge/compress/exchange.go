package compress

import (
	"cmp"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
)

// exchange is the exchange that the next handler gets. What it has to say about
// the request goes through; the response is coded if it is worth it.
type exchange struct {
	asteri.Exchange
	handler *handler
	header  asteri.Header // of the response, where it is not the handler's

	serving bool // ServeExchange has not returned
	over    bool // the handler has ended the exchange
	kept    bool // the handler may hold on to it
	coded   *codedBody
	begun   bool // the response, be it coded or not

	onEnd     func(error) // cancelled, made once
	onCancel  func(error) // the handler's
	listening bool        // for cancellation, for it or for its body

	posted atomic.Bool
	closed atomic.Bool // over, for Post
}

var _ asteri.Releaser = (*exchange)(nil)

// served is called when ServeExchange returns, or panics. An exchange that nobody
// can have kept serves another request (see asteri.Exchange).
func (x *exchange) served() {
	switch {
	case x.serving: // a panic, which is the session's to report
		if x.coded != nil {
			x.coded.drop()
		}
	case !x.over:
		if x.coded != nil {
			x.coded.endTurn()
			x.listen()
		}
	case !x.kept && !x.listening && !x.posted.Load() && x.quiet():
		x.recycle()
	}
}

// quiet tells whether nothing of the response is still on its way through here.
func (x *exchange) quiet() bool { return x.coded == nil || x.coded.done() }

// Release gives the exchange below back, if that lets itself be given back, and this one
// with it. Nobody calls cancelled any more then.
func (x *exchange) Release() bool {
	below, ok := x.Exchange.(asteri.Releaser)
	if !ok || !x.over || x.serving || x.posted.Load() || !x.quiet() || !below.Release() {
		return false
	}
	x.recycle()
	return true
}

// recycle has x, which nobody keeps, serve another request.
func (x *exchange) recycle() {
	x.Exchange, x.coded, x.onCancel = nil, nil, nil
	x.begun, x.over, x.kept, x.listening = false, false, false, false
	x.closed.Store(false)
	x.header.Reset()
	x.handler.idle.Put(x)
}

// Start begins the response, coded or not.
func (x *exchange) Start(status int, h *asteri.Header) error {
	switch {
	case x.over:
		return asteri.ErrClosed
	case x.begun:
		return x.begunTwice()
	}
	k := readFacts(h)
	verdict, c := x.judge(status, &k, k.length)
	switch {
	case verdict == varies:
		h = vary(&x.header, h)
	case verdict == encoded:
		h = encode(&x.header, h, &k, c.from.coding)
	case status == http.StatusNotModified:
		h = revalidated(&x.header, h, x.Request(), k.etag)
	}
	if err := x.Exchange.Start(status, h); err != nil {
		if c != nil {
			x.handler.release(c)
		}
		return x.ended(err)
	}
	x.begun = true
	switch {
	case c == nil:
	case x.Request().Method == http.MethodHead: // content is dropped, whatever it is
		x.handler.release(c)
	default:
		x.coded = newCodedBody(x, c, k.length, isEventStream(k.contentType))
		if !x.serving {
			x.listen()
		}
	}
	return nil
}

// judge decides on a response, and returns an encoder if it is to be coded.
func (x *exchange) judge(status int, k *facts, length int64) (verdict, *coder) {
	v := x.handler.judge(status, k, length)
	if v != encoded {
		return v, nil
	}
	if c := x.handler.coder(x.Request()); c != nil {
		return encoded, c
	}
	return varies, nil
}

// Respond answers in one call.
func (x *exchange) Respond(status int, h *asteri.Header, body []byte) error {
	switch {
	case x.over:
		return asteri.ErrClosed
	case x.begun:
		return x.begunTwice()
	case h.Has("Content-Length"):
		return x.ended(x.Exchange.Respond(status, h, body)) // which says what is wrong
	}
	k := readFacts(h)
	verdict, c := x.judge(status, &k, int64(len(body)))
	if verdict != encoded {
		switch {
		case verdict == varies:
			h = vary(&x.header, h)
		case status == http.StatusNotModified:
			h = revalidated(&x.header, h, x.Request(), k.etag)
		}
		return x.ended(x.Exchange.Respond(status, h, body))
	}
	h = encode(&x.header, h, &k, c.from.coding)
	switch {
	case x.Request().Method == http.MethodHead:
		x.handler.release(c)
		if err := x.Exchange.Start(status, h); err != nil {
			return x.ended(err)
		}
		return x.ended(x.Exchange.Finish(nil))
	case len(body) > c.from.inline:
		return x.respondLarge(status, h, body, c)
	}
	defer x.handler.release(c)
	_, err := c.Write(body)
	if err = cmp.Or(err, c.Close()); err != nil {
		x.Abort(err)
		return err
	}
	return x.ended(x.Exchange.Respond(status, h, c.out))
}

func (x *exchange) respondLarge(status int, h *asteri.Header, body []byte, c *coder) error {
	if err := x.Exchange.Start(status, h); err != nil {
		x.handler.release(c)
		return x.ended(err)
	}
	x.begun = true
	x.coded = newCodedBody(x, c, int64(len(body)), false)
	if _, err := x.Write(body); err != nil {
		return err
	}
	return x.Finish(nil)
}

// begunTwice ends the exchange of a handler that begins a response within another: the
// exchange below says what is wrong.
func (x *exchange) begunTwice() error {
	if x.coded != nil {
		x.coded.drop()
	}
	return x.ended(x.Exchange.Start(http.StatusInternalServerError, nil))
}

// ended notes that the exchange below has ended, well or not.
func (x *exchange) ended(err error) error {
	x.over = true
	x.closed.Store(true)
	return err
}

// Write takes response content.
func (x *exchange) Write(p []byte) (queued int, err error) {
	switch {
	case x.over:
		return 0, asteri.ErrClosed
	case x.coded == nil:
		return x.Exchange.Write(p)
	}
	if err := x.account(int64(len(p))); err != nil {
		return 0, err
	}
	return x.coded.write(p)
}

// SendFile takes a part of a file as response content.
func (x *exchange) SendFile(f asteri.File, off, n int64) error {
	if x.coded == nil && !x.over || f == nil || off < 0 || n < 0 {
		return x.Exchange.SendFile(f, off, n) // which says what is wrong
	}
	err := asteri.ErrClosed
	if !x.over {
		err = x.account(n)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	x.coded.sendFile(f, off, n)
	return nil
}

// account counts n bytes of content, and ends the exchange if they are more than
// were announced: nobody below knows how many that were.
func (x *exchange) account(n int64) error {
	s := x.coded
	switch {
	case s.left < 0:
		return nil
	case n > s.left:
		err := &asteri.ResponseError{Reason: "more content than the Content-Length"}
		x.Abort(err)
		return err
	}
	s.left -= n
	return nil
}

// Finish ends the response.
func (x *exchange) Finish(trailer *asteri.Header) error {
	switch {
	case x.over:
		return asteri.ErrClosed
	case x.coded == nil:
		_ = x.ended(nil)
		return x.Exchange.Finish(trailer)
	case x.coded.left > 0:
		err := &asteri.ResponseError{Reason: "less content than the Content-Length"}
		x.Abort(err)
		return err
	}
	_ = x.ended(nil)
	return x.coded.finish(trailer)
}

// Abort ends the exchange without a clean end.
func (x *exchange) Abort(cause error) {
	if x.over {
		return
	}
	_ = x.ended(nil)
	if x.coded != nil {
		x.coded.drop()
	}
	x.Exchange.Abort(cause)
}

// OnDrain sets the function to call when there is room for more.
func (x *exchange) OnDrain(fn func()) {
	x.kept = true
	switch {
	case x.over:
	case x.coded == nil:
		x.Exchange.OnDrain(fn)
	default:
		x.coded.notify(fn)
	}
}

// OnCancel sets the function to call when nobody waits any more.
func (x *exchange) OnCancel(fn func(cause error)) {
	x.kept = true
	x.onCancel = fn
	x.listening = true
	x.Exchange.OnCancel(x.onEnd)
}

// listen makes sure that the body hears of the exchange's end.
func (x *exchange) listen() {
	if !x.listening {
		x.listening = true
		x.Exchange.OnCancel(x.onEnd)
	}
}

func (x *exchange) cancelled(cause error) {
	if s := x.coded; s != nil && !errors.Is(cause, asteri.ErrHalfClosed) {
		s.drop()
		if s.finished {
			_ = x.Exchange.Finish(nil) // no job will do so
		}
	}
	if x.onCancel != nil {
		x.onCancel(cause)
	}
}

// ReadBody starts the delivery of the request body.
func (x *exchange) ReadBody(sink asteri.BodySink) {
	x.kept = true
	x.Exchange.ReadBody(sink)
}

// Upgrade ends HTTP.
func (x *exchange) Upgrade(h *asteri.Header) (asteri.Tunnel, error) {
	x.kept = true
	return x.Exchange.Upgrade(h)
}

// Post runs fn on the executor.
func (x *exchange) Post(fn func()) bool {
	x.posted.Store(true)
	return !x.closed.Load() && x.Exchange.Post(fn)
}
