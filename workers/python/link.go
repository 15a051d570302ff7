package python

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/takeover"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// link is the front's end of a worker's descriptor 3: a session of the loop that
// it was adopted by, which owns all of it but the inbox.
type link struct {
	worker *worker
	conn   loop.Conn
	loop   *loop.Loop
	log    *slog.Logger

	calls callTable
	raws  map[*takeover.Socket]struct{} // sockets lent to the worker

	// What is sent at the end of the tick.
	requests   wire.Requests
	messages   wire.Messages // of sockets; they go first
	flushSoon  bool
	flushBatch func()
	crowded    bool // so much waits for the worker that its sockets are held back

	// What is being received.
	in      wire.Reader
	answers answerBatch
	data    dataFrame
	next    []*dispatch.Ticket

	lastAnswers time.Time // when the last answers came
	late        lateCalls
	probe       openProbe
	linkEnd

	inboxMu sync.Mutex
	inbox   []*call // from other goroutines
}

// Timers of a link.
const (
	timerSweep loop.Timer = iota // looks for calls that take too long
	timerEnd                     // the worker's clients were sent away; then: the process has exited, the link has not ended
	timerLate                    // a worker with late calls has had time to end them
)

// dataFrame is a DATA frame of which not all bytes have come.
type dataFrame struct {
	call *call // nil if nobody wants the bytes
	left int
	end  bool
}

func newLink(w *worker, c loop.Conn) *link {
	l := &link{worker: w, conn: c, loop: c.Loop(), log: w.log, late: lateCalls{lost: awake.Lost()}}
	l.in.ResponseHead = w.cfg.ResponseHead
	l.requests.Init(wire.Form{WSGI: w.info.wsgi(), Tornado: w.info.Interface == "tornado", Underscores: w.cfg.UnderscoreFields})
	l.calls.init(w.info.Capacity)
	c.SetWaterMarks(linkHigh, linkLow)
	l.flushBatch = func() {
		l.flushSoon = false
		l.flush()
	}
	return l
}

// remove takes a call out of the table.
func (l *link) remove(c *call) {
	l.calls.remove(c, l.loop.Now())
	l.judgeLate()
}

// release tells the dispatcher that n calls are over and sends those that take
// their place. took is the time that the worker spent on them, or dispatch.UnknownTime.
func (l *link) release(n int, took time.Duration) {
	if n == 0 {
		return
	}
	l.worker.hasServed(n)
	l.next = l.worker.pool.dispatcher.Release(&l.worker.slots, n, took, l.next[:0])
	l.sendNext()
}

func (l *link) sendNext() {
	next := l.next
	l.next = nil // send may release more
	for _, t := range next {
		l.send(callOf(t))
	}
	clear(next)
	l.next = next[:0]
}

// OnData cuts what came into frames.
func (l *link) OnData(in []byte) (int, error) {
	consumed := 0
	for {
		rest := in[consumed:]
		if l.data.left > 0 {
			if len(rest) == 0 {
				return consumed, nil
			}
			n := min(len(rest), l.data.left)
			l.data.left -= n
			l.onDataBytes(rest[:n])
			consumed += n
			continue
		}
		if len(rest) < wire.HeaderLen {
			return consumed, nil
		}
		h, err := wire.ParseHeader(rest)
		if err != nil {
			return consumed, err
		}
		if err := h.CheckSize(); err != nil {
			return consumed, err
		}
		if h.Kind == wire.FrameData {
			consumed += wire.HeaderLen
			if err := l.beginData(h); err != nil {
				return consumed, err
			}
			continue
		}
		if len(rest) < wire.HeaderLen+h.Size {
			return consumed, nil
		}
		if err := l.onFrame(h, rest[wire.HeaderLen:wire.HeaderLen+h.Size]); err != nil {
			return consumed, err
		}
		consumed += wire.HeaderLen + h.Size
	}
}

// OnEOF says that the worker has closed its end. If it has not exited, it will
// have to.
func (l *link) OnEOF() {
	l.eof, l.retiring = true, true
	l.worker.pool.dispatcher.Remove(&l.worker.slots) // it would read no more
	if l.exited {
		l.finish()
		return
	}
	l.worker.linkEnded(nil)
}

// OnDrain lets sockets go on. A worker's requests are bounded by its capacity and
// windows.
func (l *link) OnDrain() {
	if l.crowded {
		l.crowdSockets(false)
	}
}

// OnShutdown is for connections of clients; the pool stops workers itself.
func (l *link) OnShutdown() {}

// OnTimer runs the link's timers.
func (l *link) OnTimer(t loop.Timer) {
	switch t {
	case timerSweep:
		l.late.sweeping = false
		l.sweep()
		l.startSweep()
	case timerEnd:
		if l.exited {
			l.finish()
		} else {
			l.interruptAll()
		}
	case timerLate:
		switch {
		case l.late.recalling:
			l.abandonLate()
		default:
			l.unheeded()
		}
	}
}

// OnClose ends what is left. The cause says whether the worker is to blame. If it has
// ended, or has to, how it did says what becomes of its calls.
func (l *link) OnClose(cause error) {
	if l.closed {
		return
	}
	l.worker.linkEnded(cause)
	if errors.Is(cause, loop.PeerClosed) && !l.exited {
		l.close()
		return
	}
	l.finish()
}
