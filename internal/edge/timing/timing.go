// Package timing tells browsers how long the application took, in the field
// Server-Timing, which their developer tools show. It is for development: everybody
// can see the figure.
package timing

import (
	"strconv"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
)

// Handler adds Server-Timing to the responses of next: as "app" the milliseconds from
// the complete request head to the beginning of the response, the time in the
// application's queue included. What next says in such a field stays.
func Handler(next asteri.Handler) asteri.Handler { return &handler{next: next} }

type handler struct {
	next asteri.Handler
	idle sync.Pool // of *exchange
}

// ServeExchange has next answer x.
func (h *handler) ServeExchange(x asteri.Exchange) {
	w, ok := h.idle.Get().(*exchange)
	if !ok {
		w = &exchange{idle: &h.idle}
	}
	w.Exchange, w.serving = x, true
	h.next.ServeExchange(w)
	w.serving = false
}

type exchange struct {
	asteri.Exchange
	idle    *sync.Pool
	serving bool // ServeExchange has not returned
}

var _ asteri.Releaser = (*exchange)(nil)

// Release gives the exchange below back, if that lets itself be given back, and this one
// with it.
func (x *exchange) Release() bool {
	below, ok := x.Exchange.(asteri.Releaser)
	if !ok || x.serving || !below.Release() {
		return false
	}
	x.Exchange = nil
	x.idle.Put(x)
	return true
}

// Start begins the response.
func (x *exchange) Start(status int, h *asteri.Header) error {
	return x.Exchange.Start(status, x.timed(h))
}

// Respond answers in one call.
func (x *exchange) Respond(status int, h *asteri.Header, body []byte) error {
	return x.Exchange.Respond(status, x.timed(h), body)
}

func (x *exchange) timed(h *asteri.Header) *asteri.Header {
	took := time.Since(x.Request().Received).Seconds() * 1000
	own := h.Clone()
	own.Add("Server-Timing", "app;dur="+strconv.FormatFloat(took, 'f', 3, 64))
	return own
}
