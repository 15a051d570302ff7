package python

import "time"

// LastCall is how long before the end of a graceful timeout those who still use a worker
// are sent away, so that its application can end in order: ASGI applications and those of
// Tornado are told that their clients have left, a quarter of that time later the tasks
// that do not heed it are cancelled, and an ASGI application has its lifespan's shutdown.
func LastCall(graceful time.Duration) time.Duration { return min(graceful/4, 500*time.Millisecond) }

// lastCall sends away the clients of a worker that has drained for almost as long as it
// may.
func (s *supervisor) lastCall(w *worker, now time.Duration) {
	if w.is(stateDraining) && !w.supervised.called && now >= w.supervised.lastCallAt(w.cfg.GracefulTimeout) {
		w.supervised.called = true
		w.post((*link).cancelAll)
	}
}

// lastCallAt is before killAt.
func (s *supervised) lastCallAt(graceful time.Duration) time.Duration {
	return s.killAt - LastCall(graceful)
}

// cancelAll tells the worker that all clients have left. A blocking application cannot be
// told.
func (l *link) cancelAll() {
	if l.closed || l.worker.info.wholeBody {
		return
	}
	for _, c := range l.calls.all(nil) {
		l.cancel(c, true, l.loop)
	}
	l.conn.SetTimer(timerEnd, LastCall(l.worker.cfg.GracefulTimeout)/4)
}

// interruptAll has the calls cancelled that have not heeded that their clients left.
func (l *link) interruptAll() {
	if !l.closed {
		l.worker.control.Interrupt(nil, "the worker has to end")
	}
}
