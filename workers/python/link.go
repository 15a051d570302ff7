package python

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/awake"
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

	lastAnswers time.Time     // when the last answers came
	sweeping    bool          // the sweep timer runs
	lost        time.Duration // for how long this process had been stopped at the last sweep
	late        lateCalls
	probing     bool   // a PROBE was sent and not answered
	probedAt    uint32 // the last stream before it
	relief      bool   // RETIRE has come
	retiring    bool   // SHUTDOWN was sent
	eof         bool   // the worker has closed its end
	exited      bool   // the process has
	closed      bool   // nothing can be sent, or be answered, any more
	parted      bool   // every call has its outcome

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
	l := &link{worker: w, conn: c, loop: c.Loop(), log: w.log, lost: awake.Lost()}
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

// deliver gives a call that the dispatcher placed here to the worker. It may be
// called from any goroutine; at is the executor that it is called on.
func (l *link) deliver(c *call, at asteri.Executor) {
	if at == asteri.Executor(l.loop) {
		l.send(c)
		return
	}
	l.inboxMu.Lock()
	l.inbox = append(l.inbox, c)
	first := len(l.inbox) == 1
	l.inboxMu.Unlock()
	if first && !l.loop.Post(l.openInbox) {
		l.closed = true // the loop has ended, and with it every owner but this one
		l.openInbox()
	}
}

func (l *link) openInbox() {
	l.inboxMu.Lock()
	calls := l.inbox
	l.inbox = nil
	l.inboxMu.Unlock()
	for _, c := range calls {
		l.send(c)
	}
}

// send adds a call to the batch.
func (l *link) send(c *call) {
	if l.closed || l.retiring {
		l.returnCall(c, c.resubmit)
		return
	}
	whole := l.worker.info.wholeBody
	if c.body.Stream && whole || c.body.File != nil && !whole {
		l.returnCall(c, c.adapt)
		return
	}
	l.calls.add(c, l.loop.Now())
	c.atWorker(l.worker.proc.PID)
	content, raw := c.body, (*takeover.Socket)(nil)
	if c.rawForm != nil && l.worker.info.rawSockets() {
		var err error
		if raw, err = l.newRawSocket(c); err != nil {
			l.refuse(c, &asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "no socket for an upgrade: " + err.Error(), RetryAfter: retryAfter})
			return
		}
		content.Socket = true
	}
	l.requests.Add(c.id, l.form(c), content)
	if err := l.passBody(c); err != nil {
		if raw != nil {
			raw.Discard()
		}
		l.requests.Undo()
		l.flush()
		l.refuse(c, err)
		return
	}
	if raw != nil {
		l.lend(c, raw)
	}
	l.startSweep()
	if c.body.Stream {
		l.flush() // its body may follow at once
		c.toHome(l.loop, func() { c.streamBody(l) })
	}
	l.soon()
}

// form returns the request of c as the worker takes it.
func (l *link) form(c *call) *asteri.Request {
	switch {
	case c.upgrade != nil && l.worker.info.sockets():
		return c.upgrade
	case c.rawForm != nil && l.worker.info.rawSockets():
		return c.rawForm
	}
	return c.req
}

// returnCall gives up a call that was not sent, and runs then on its home: later, since
// it may come back from there.
func (l *link) returnCall(c *call, then func()) {
	l.next = l.worker.pool.dispatcher.Restore(&l.worker.room, 1, l.next[:0])
	l.sendNext()
	c.toHome(nil, then)
}

// passBody sends the descriptor of the body, if that is in a file, ahead of the batch that
// c has just been added to. A worker gets none whose request does not follow.
func (l *link) passBody(c *call) *asteri.StatusError {
	if l.requests.Size() > wire.MaxFrame {
		return &asteri.StatusError{Code: http.StatusRequestHeaderFieldsTooLarge, Reason: "head is too large for a worker"}
	}
	if c.body.File != nil {
		if err := c.passBody(l.worker.control); err != nil {
			return &asteri.StatusError{Code: http.StatusInternalServerError, Reason: "request body was lost: " + err.Error()}
		}
	}
	return nil
}

// refuse answers a call that cannot be sent.
func (l *link) refuse(c *call, err *asteri.StatusError) {
	l.remove(c)
	l.returnCall(c, func() { c.refuse(err) })
}

// soon has the batch sent when the loop has handled the tick's events.
func (l *link) soon() {
	switch {
	case l.requests.Size() > maxBatch:
		l.flush()
	case !l.flushSoon:
		l.flushSoon = l.loop.Post(l.flushBatch)
	}
}

// flush sends the batch, and that of messages.
func (l *link) flush() {
	l.flushMessages()
	if l.requests.Empty() {
		return
	}
	if frame := l.requests.Frame(); !l.closed {
		l.conn.Write(frame)
	}
	l.requests.Trim(maxBatch)
}

// frame sends a frame of another kind, behind the batch.
func (l *link) frame(kind wire.FrameType, flags uint8, stream uint32, payload []byte) {
	if l.closed {
		return
	}
	l.flush()
	var head [wire.HeaderLen]byte
	l.conn.Write(wire.AppendFrame(head[:0], kind, flags, stream, len(payload)))
	if len(payload) > 0 {
		l.conn.Write(payload)
	}
}

// body sends bytes of a streamed request body. from is the executor of the caller.
func (l *link) body(c *call, flags uint8, p []byte, from asteri.Executor) {
	if from == asteri.Executor(l.loop) {
		if l.calls.has(c) {
			c.unread += int32(len(p))
			l.frame(wire.FrameBody, flags, c.id, p)
		}
		return
	}
	p = append([]byte(nil), p...)
	l.loop.Post(func() { l.body(c, flags, p, l.loop) })
}

// grant lets the worker send n more response bytes on a stream.
func (l *link) grant(c *call, n int, from asteri.Executor) {
	if from == asteri.Executor(l.loop) {
		if l.calls.has(c) {
			c.window += n
			c.touched(l.loop.Now())
			l.frame(wire.FrameGrant, 0, c.id, binary.LittleEndian.AppendUint32(nil, uint32(n)))
		}
		return
	}
	l.loop.Post(func() { l.grant(c, n, l.loop) })
}

// cancel tells the worker that a call's client left.
func (l *link) cancel(c *call, hard bool, from asteri.Executor) {
	if from == asteri.Executor(l.loop) {
		l.openInbox() // it may be there still
		// A blocking application cannot be told of a client that may still
		// read.
		if l.calls.has(c) && !l.closed && !c.left && (hard || !l.worker.info.wholeBody) {
			c.left = hard
			l.worker.control.Cancel(c.id, hard)
		}
		return
	}
	l.loop.Post(func() { l.cancel(c, hard, l.loop) })
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
	l.next = l.worker.pool.dispatcher.Release(&l.worker.room, n, took, l.next[:0])
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
	l.worker.pool.dispatcher.Remove(&l.worker.room) // it would read no more
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
		l.sweeping = false
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
