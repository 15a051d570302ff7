package python

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/region"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// The link's side of WebSockets: what a worker sends for them, and what is sent to it.

// onMessages handles what the worker's applications send.
func (l *link) onMessages(payload []byte) error {
	n, err := l.in.Items(payload)
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		id, err := l.in.ItemStream()
		if err != nil {
			return err
		}
		s := l.calls.sockets[uint32(id)]
		if s == nil || int64(s.id) != id {
			return wire.Violation(fmt.Sprintf("message for stream %d, which is no open socket", id))
		}
		if err := l.onItem(s); err != nil {
			return err
		}
	}
	return l.in.End()
}

// onItem handles a message, a piece of one, or the wish to close.
func (l *link) onItem(s *socket) error {
	if s.atLink.closing {
		return wire.Violation("more from a socket that the worker has closed")
	}
	var it wire.Item
	if err := l.in.Item(&it); err != nil {
		return err
	}
	if it.Closes {
		l.onSocketClose(s, it.Code, it.Reason)
		return nil
	}
	if s.atLink.window <= 0 {
		return wire.Violation("more messages than the window allows")
	}
	kind := websocket.Binary
	if it.Text {
		kind = websocket.Text
	}
	s.atLink.window -= cost(len(it.Data), it.Last)
	if s.home == asteri.Executor(l.loop) {
		s.write(kind, it.Data, it.Last)
		return nil
	}
	p, last := bytes.Clone(it.Data), it.Last
	s.home.Post(func() { s.write(kind, p, last) })
	return nil
}

func (l *link) onSocketClose(s *socket, code int64, reason string) {
	s.atLink.closing = true
	if code < 0 || code > 4999 {
		code = int64(websocket.InternalError)
	}
	s.toHome(func() { s.close(websocket.Code(code), reason) })
}

// onSocketFrame handles what is no message.
func (l *link) onSocketFrame(s *socket, h wire.FrameHeader, payload []byte) error {
	switch h.Kind {
	case wire.FrameWindow:
		n, err := wire.Window(payload, s.atLink.taking)
		if err != nil {
			return err
		}
		s.atLink.taking -= n
		s.toHome(func() { s.consumed(n) })
	case wire.FrameAbort:
		if s.atLink.closing {
			return wire.Violation("ABORT of a socket that the worker has closed")
		}
		s.atLink.closing = true
		what, err := l.in.Failure(payload)
		if err != nil {
			return err
		}
		l.log.Error("the application failed in a WebSocket", what.Attrs(s.about)...)
		s.toHome(func() { s.close(websocket.InternalError, "") })
	case wire.FrameDone:
		l.calls.removeSocket(s)
		if s.atLink.counted {
			l.worker.pool.dispatcher.RemoveSocket(&l.worker.slots)
		}
		s.toHome(func() { s.close(websocket.NormalClosure, "") })
	default:
		return wire.Violation(fmt.Sprintf("frame of type %d for an open socket", h.Kind))
	}
	return nil
}

// A message counts against the window of its socket when it has come whole, which may
// be 16 MiB. So that not all of them wait for a worker that takes none, the sockets
// of a link are held back together while much waits.
const (
	linkHigh = 4 << 20
	linkLow  = 1 << 20
)

// flushMessages sends the batch of messages.
func (l *link) flushMessages() {
	if l.messages.Empty() {
		return
	}
	frame := l.messages.Frame()
	if !l.closed && l.conn.Write(frame) >= linkHigh && !l.crowded {
		l.crowdSockets(true)
	}
	l.messages.Trim(maxBatch)
}

// crowdSockets holds the sockets of the link back, or no longer.
func (l *link) crowdSockets(on bool) {
	l.crowded = on
	for _, s := range l.calls.sockets {
		s.toHome(func() { s.crowd(on) })
	}
}

// message adds a message to the batch. from is the executor of the caller.
func (l *link) message(s *socket, kind websocket.Kind, p []byte, from asteri.Executor) {
	if from != asteri.Executor(l.loop) {
		p, giveBack := copied(p)
		l.loop.Post(func() {
			l.message(s, kind, p, l.loop)
			giveBack()
		})
		return
	}
	if l.closed {
		return
	}
	s.atLink.taking += cost(len(p), true)
	text := kind == websocket.Text
	for {
		rest := l.messages.Piece(s.id, text, p)
		if len(rest) == len(p) {
			break
		}
		p = rest
		l.flushMessages()
	}
	l.messages.Message(s.id, text, p)
	l.soonMessages()
}

// copied returns a copy of p, beside the heap if it is long, and what gives it back.
func copied(p []byte) (q []byte, giveBack func()) {
	if len(p) > maxBatch {
		if q = region.Take(len(p)); q != nil {
			q = append(q, p...)
			return q, func() { region.Give(q) }
		}
	}
	return bytes.Clone(p), func() {}
}

func (l *link) soonMessages() {
	if l.messages.Size() > maxBatch {
		l.flushMessages()
		return
	}
	l.soon()
}

// socketEnded tells the worker that nothing more comes on a WebSocket. answerable
// says that what its application sends may still arrive.
func (l *link) socketEnded(s *socket, e websocket.Closure, answerable bool, from asteri.Executor) {
	if from != asteri.Executor(l.loop) {
		l.loop.Post(func() { l.socketEnded(s, e, answerable, l.loop) })
		return
	}
	if l.calls.sockets[s.id] != s || l.closed {
		return
	}
	l.messages.Ended(s.id, int(e.Code), e.Reason, answerable)
	l.soonMessages()
}

// grantSocket lets the worker send n more bytes on a socket.
func (l *link) grantSocket(s *socket, n int, from asteri.Executor) {
	if from != asteri.Executor(l.loop) {
		l.loop.Post(func() { l.grantSocket(s, n, l.loop) })
		return
	}
	if l.calls.sockets[s.id] == s {
		s.atLink.window += n
		l.frame(wire.FrameGrant, 0, s.id, binary.LittleEndian.AppendUint32(nil, uint32(n)))
	}
}

// retireSockets has the sockets closed because the worker is to end.
func (l *link) retireSockets() {
	for _, s := range l.calls.sockets {
		s.toHome(s.drain)
	}
}

// loseSockets closes the sockets of a worker that has gone.
func (l *link) loseSockets() {
	for _, s := range l.calls.sockets {
		s.toHome(func() { s.close(websocket.InternalError, "") })
	}
	l.calls.sockets = nil
}

// onAccept makes an open socket of a call.
func (l *link) onAccept(c *call, payload []byte) error {
	if c.atLink.begun || c.upgrade == nil || !l.worker.info.sockets() {
		return wire.Violation("ACCEPT for what is not a WebSocket, or is answered")
	}
	subprotocol, h, err := l.in.Accept(payload)
	if err != nil {
		return err
	}
	l.begins(c)
	s := &socket{
		link: l, id: c.atLink.id, home: c.home, about: c.req.LogAttr(),
		atLink: socketAtLink{window: wire.ResponseWindow},
		atHome: socketAtHome{retiring: l.retiring, crowded: l.crowded},
	}
	l.remove(c)
	l.calls.addSocket(s)
	s.atLink.counted = l.worker.pool.dispatcher.AddSocket(&l.worker.slots)
	l.release(1, 0)
	if !s.atLink.counted {
		c.toHome(l.loop, func() {
			c.refuseSocket()
			s.lost()
		})
		return nil
	}
	c.toHome(l.loop, func() { c.accept(s, subprotocol, h) })
	return nil
}
