package workers

import "github.com/asteri/asteri-loop"

// Tornado runs h natively on the loop: inline, on the event loop of its
// connection, which is where a protocol calls its handler anyway. h must not
// block: nothing can interrupt it, and its loop serves nobody meanwhile. WatchLoops
// tells where such a loop is stuck. A handler that keeps its exchange sees to its
// own deadline. A panic of h is confined to its exchange by the protocol.
func Tornado(h asteri.Handler) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		x.Request().Handling.Model = "tornado"
		h.ServeExchange(x)
	})
}
