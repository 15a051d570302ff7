package asteri

import "net/http"

// ReadAll reads the request content of x and calls then with all of it, once, on the
// executor of x: before ReadAll returns if there is none, or too much was announced. It
// gives the window back as content comes, and counts what it holds by Reserve until it
// calls then, whose own body is. A limit of max bytes is kept beside Limits.Body; 0 is
// no content at all.
//
// err says that the content is not to be had: a *StatusError of 413 if it is more than
// max bytes, else why it did not come to its end. If then leaves the exchange
// unanswered in that case, it is aborted with err: then must not release the exchange
// (see Releaser) if it gets an error.
func ReadAll(x Exchange, max int, then func(body []byte, err error)) {
	r := &wholeBody{x: x, max: max, then: then}
	switch announced := x.Request().ContentLength; {
	case announced > int64(max):
		r.end(errTooLong)
	default:
		if announced > 0 {
			r.body = make([]byte, 0, min(int(announced), BodyWindow))
		}
		x.ReadBody(r)
	}
}

var errTooLong = &StatusError{Code: http.StatusRequestEntityTooLarge, Reason: "content is too long"}

// wholeBody is the sink of ReadAll.
type wholeBody struct {
	x        Exchange
	max      int
	then     func([]byte, error) // nil once it was called
	body     []byte
	reserved int
}

// OnBody implements BodySink. What comes behind the limit is not consumed: the client
// is answered meanwhile.
func (r *wholeBody) OnBody(p []byte) {
	switch {
	case r.then == nil:
		return
	case len(p) > r.max-len(r.body):
		r.end(errTooLong)
		return
	}
	r.body = append(r.body, p...)
	if more := cap(r.body) - r.reserved; more > 0 {
		r.reserved += more
		r.x.Reserve(more)
	}
	r.x.Consumed(len(p))
}

// OnEnd implements BodySink.
func (r *wholeBody) OnEnd(*Header) { r.end(nil) }

// OnError implements BodySink.
func (r *wholeBody) OnError(err error) { r.end(err) }

func (r *wholeBody) end(err error) {
	then := r.then
	if then == nil {
		return
	}
	body := r.body
	r.then, r.body = nil, nil
	r.x.Reserve(-r.reserved) // now: then may release the exchange
	if err == nil {
		then(body, nil)
		return
	}
	then(nil, err)
	r.x.Abort(err)
}
