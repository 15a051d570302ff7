// Package overload refuses requests while there is no memory for more, behind what the
// server answers itself: who looks after it has to get in.
package overload

import "github.com/asteri/asteri-loop"

// Memory is a budget.
type Memory interface {
	// Full tells whether nothing new is to be begun.
	Full() bool
}

// Handler returns next behind the refusal: 503 with a Retry-After while m is full.
func Handler(next asteri.Handler, m Memory) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		if m.Full() {
			x.Abort(refusal)
			return
		}
		next.ServeExchange(x)
	})
}

var refusal = &asteri.StatusError{Code: 503, Reason: "the server is short of memory", RetryAfter: 1}
