package demo

import (
	"errors"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// native returns the demonstration as a handler that never waits.
func native(r *routes) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		to := r.find(x.Request())
		if to.reply != nil {
			_ = x.Respond(to.reply.status, to.reply.header, to.reply.body)
			return
		}
		switch to.action {
		case echo:
			startEcho(x)
		case send:
			startSend(x, to.n)
		case sleep:
			x.SetTimeout(-1) // it is maxSleep at most
			after(x, time.Duration(to.n)*time.Millisecond, func() {
				_ = x.Respond(slept.status, slept.header, slept.body)
			})
		case stream:
			startTicks(x, streamHeader, streamLines, streamPause, line)
		case events:
			startTicks(x, eventsHeader, maxEvents, eventPause, event)
		case socket:
			_ = r.accept(x)
		}
	})
}

// after calls fn on the executor of x when d has passed, unless x has ended.
func after(x asteri.Exchange, d time.Duration, fn func()) {
	// Timers of the runtime fire when a processor looks for work, which
	// busy loops have it do only while work is announced.
	jobs.Begin()
	timer := time.AfterFunc(d, func() {
		defer jobs.End()
		x.Post(fn)
	})
	x.OnCancel(func(cause error) {
		if !errors.Is(cause, asteri.ErrHalfClosed) && timer.Stop() {
			jobs.End()
		}
	})
}

// echoing sends a request body back. It gives back body window only while the
// client reads, so that no more than asteri.HighWater is in memory.
type echoing struct {
	x    asteri.Exchange
	held int // body bytes sent back whose window is not given back
}

func startEcho(x asteri.Exchange) {
	if err := x.Start(200, withLength(echoHeader, x.Request().ContentLength)); err != nil {
		x.Abort(err)
		return
	}
	x.ReadBody(&echoing{x: x})
}

func (e *echoing) OnBody(p []byte) {
	queued, err := e.x.Write(p)
	switch {
	case err != nil:
		e.x.Abort(err)
	case queued < asteri.HighWater:
		e.x.Consumed(len(p))
	default:
		if e.held == 0 {
			e.x.OnDrain(e.release)
		}
		e.held += len(p)
	}
}

func (e *echoing) release() {
	n := e.held
	e.held = 0
	e.x.Consumed(n)
}

func (e *echoing) OnEnd(*asteri.Header) { _ = e.x.Finish(nil) }
func (e *echoing) OnError(err error)    { e.x.Abort(err) }

// sending is a response of many bytes, as far as the client has room for it.
type sending struct {
	x    asteri.Exchange
	left int64
}

func startSend(x asteri.Exchange, n int64) {
	if err := x.Start(200, withLength(bytesHeader, n)); err != nil {
		x.Abort(err)
		return
	}
	if x.Request().Method == "HEAD" {
		n = 0
	}
	(&sending{x, n}).more()
}

func (s *sending) more() {
	for s.left > 0 {
		p := block[:min(s.left, int64(len(block)))]
		queued, err := s.x.Write(p)
		if err != nil {
			s.x.Abort(err)
			return
		}
		if s.left -= int64(len(p)); queued >= asteri.HighWater {
			s.x.OnDrain(s.more)
			return
		}
	}
	_ = s.x.Finish(nil)
}

// ticking is a response whose pieces come over time.
type ticking struct {
	x     asteri.Exchange
	i, n  int
	pause time.Duration
	piece func(i int) []byte
}

func startTicks(x asteri.Exchange, h *asteri.Header, n int, pause time.Duration, piece func(i int) []byte) {
	if err := x.Start(200, h); err != nil {
		x.Abort(err)
		return
	}
	if x.Request().Method == "HEAD" {
		_ = x.Finish(nil)
		return
	}
	(&ticking{x: x, n: n, pause: pause, piece: piece}).tick()
}

func (t *ticking) tick() {
	queued, err := t.x.Write(t.piece(t.i))
	t.i++
	switch {
	case err != nil:
		t.x.Abort(err)
	case t.i == t.n:
		_ = t.x.Finish(nil)
	case queued >= asteri.HighWater:
		t.x.OnDrain(t.next)
	default:
		t.next()
	}
}

func (t *ticking) next() { after(t.x, t.pause, t.tick) }
