package python

import (
	"encoding/binary"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/takeover"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// What goes to the worker: requests in batches, and all else behind them.

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
	l.requests.Add(c.atLink.id, l.form(c), content)
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
	l.next = l.worker.pool.dispatcher.Restore(&l.worker.slots, 1, l.next[:0])
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
		if err := c.passBody(l.worker.control, c.atLink.id); err != nil {
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
		l.worker.frames.Add(1)
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
			c.atLink.unread += int32(len(p))
			l.frame(wire.FrameBody, flags, c.atLink.id, p)
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
			c.atLink.window += n
			c.atLink.touched(l.loop.Now())
			l.frame(wire.FrameGrant, 0, c.atLink.id, binary.LittleEndian.AppendUint32(nil, uint32(n)))
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
		if l.calls.has(c) && !l.closed && !c.atLink.left && (hard || !l.worker.info.wholeBody) {
			c.atLink.left = hard
			l.worker.control.Cancel(c.atLink.id, hard)
		}
		return
	}
	l.loop.Post(func() { l.cancel(c, hard, l.loop) })
}
