package callback

import (
	"log/slog"

	"github.com/asteri/asteri-loop"
)

// Observe tells o of an exchange that has ended. A panic there is logged: the exchange
// is over, and what follows on its connection is not the observer's to end.
func Observe(o asteri.Observer, r *asteri.Record, log *slog.Logger) {
	defer logCrash(log)
	o.ExchangeDone(r)
}

// Open tells o of an exchange that has become a tunnel; see asteri.OpenTunnel.
func Open(o asteri.Observer, r *asteri.Record, log *slog.Logger) asteri.TunnelClosed {
	defer logCrash(log)
	return asteri.OpenTunnel(o, r)
}

// Closed tells an observer, if closed is not nil, of a tunnel's end.
func Closed(closed asteri.TunnelClosed, in, out int64, cause error, log *slog.Logger) {
	if closed != nil {
		defer logCrash(log)
		closed(in, out, cause)
	}
}

func logCrash(log *slog.Logger) {
	if v := recover(); v != nil {
		err := Panicked(v)
		log.Error("observer panicked", slog.Any("value", err.Value), slog.String("stack", string(err.Stack)))
	}
}
