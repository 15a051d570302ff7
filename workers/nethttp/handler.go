// Package nethttp runs net/http handlers under the worker models of package
// workers.
//
// What differs from net/http's own server:
//
//   - A handler that panics before its response has begun is answered 500, not
//     with a closed connection.
//   - The framing of a response is the server's: fields for one connection only
//     (Connection, Keep-Alive, Transfer-Encoding, and Upgrade outside 101) are
//     dropped.
//   - A hijacked connection begins with the response that its user writes. If it
//     is 101, the connection is theirs from there on. Any other status makes it
//     the body of an ordinary response, which ends with Close.
//   - Reading the request body after writing the response has begun is always
//     allowed, as after ResponseController.EnableFullDuplex.
//   - The *http.Server in the request's context is a blank one. It is there for those
//     who want to know whether a panic with http.ErrAbortHandler aborts the response,
//     as httputil.ReverseProxy does, which would end a truncated one well otherwise.
package nethttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
)

// Handler makes a handler for the worker models of h. Under sync and gthread it
// sees request bodies that are complete. Under gtornado it runs wholly on a
// goroutine, because what blocks in a net/http handler would hold the loop.
func Handler(h http.Handler) workers.Handler {
	return workers.HandlerFunc(func(c *workers.Call) {
		c.Block(func() { serve(h, c) })
	})
}

var blankServer = new(http.Server)

func serve(h http.Handler, c *workers.Call) {
	ctx := context.WithValue(c.Context(), http.LocalAddrContextKey, workers.LocalAddr(c.Request().Peer))
	ctx = context.WithValue(ctx, http.ServerContextKey, blankServer)
	r, err := newRequest(ctx, c)
	if err != nil {
		c.Abort(&asteri.StatusError{Code: http.StatusBadRequest, Reason: err.Error()})
		return
	}
	w := newResponse(c, r)
	defer func() {
		if v := recover(); v != nil {
			w.abort(v)
		}
	}()
	h.ServeHTTP(w, r)
	w.finish()
	if r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll() // temporary files; nobody can be told
	}
}

// abort ends the exchange of a handler that panicked. http.ErrAbortHandler is
// not worth a log entry; anything else is the model's to report. It is how a handler ends
// whose client has left, and then that is the cause.
func (w *response) abort(v any) {
	err, ok := v.(error)
	if !ok || !errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	if cause := context.Cause(w.call.Context()); errors.Is(cause, asteri.ErrHalfClosed) {
		err = cause
	}
	w.call.Abort(err)
}
