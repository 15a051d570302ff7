package workers

import "github.com/asteri/asteri-loop"

// Tornado runs h natively on the loop: inline, on the event loop of its
// connection. h must not block. If it panics, its exchange is aborted.
func Tornado(h asteri.Handler) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		returned := false
		defer func() {
			if v := recover(); v != nil {
				x.Abort(newPanicError(v))
			} else if !returned {
				x.Abort(errGoexit)
			}
		}()
		h.ServeExchange(x)
		returned = true
	})
}
