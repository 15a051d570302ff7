package callback

import "time"

// Turn is for how long a handler has kept an exchange in which it is its turn to do
// something. Nobody notes when that begins, but at first: it is looked at when a timer
// runs out, and what has been done since the last look counts as done just now.
type Turn struct {
	own   time.Duration // instead of the protocol's limit; negative: none
	since time.Duration // Begin, or the last look that found something done, by the clock of deadlines
	done  int64         // what had been done then
}

// SetLimit sets a limit of the exchange's own; negative is none, 0 the protocol's.
func (t *Turn) SetLimit(d time.Duration) { t.own = d }

// Limit returns how long the handler may take, 0 for as long as it likes; general is
// the protocol's limit, 0 for none.
func (t *Turn) Limit(general time.Duration) time.Duration {
	switch {
	case t.own < 0:
		return 0
	case t.own > 0:
		return t.own
	}
	return general
}

// Begin says that it is the handler's turn from now on: when it has kept the exchange, and
// when the client sends nothing more.
func (t *Turn) Begin(now time.Duration) { t.since = now }

// Look returns how long the handler still has, none if that is not positive. done
// counts all that handler and client do; waits says that it is the client's turn.
func (t *Turn) Look(limit, now time.Duration, done int64, waits bool) time.Duration {
	if done != t.done || waits {
		t.done, t.since = done, now
	}
	return limit - (now - t.since)
}
