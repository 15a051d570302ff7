package python

import (
	"bytes"
	"fmt"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/websocket"
)

// What a worker sends for its WebSockets.

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
	if s.closing {
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
	if s.window <= 0 {
		return wire.Violation("more messages than the window allows")
	}
	kind := websocket.Binary
	if it.Text {
		kind = websocket.Text
	}
	s.window -= cost(len(it.Data), it.Last)
	if s.home == asteri.Executor(l.loop) {
		s.write(kind, it.Data, it.Last)
		return nil
	}
	p, last := bytes.Clone(it.Data), it.Last
	s.home.Post(func() { s.write(kind, p, last) })
	return nil
}

func (l *link) onSocketClose(s *socket, code int64, reason string) {
	s.closing = true
	if code < 0 || code > 4999 {
		code = int64(websocket.InternalError)
	}
	s.toHome(func() { s.close(websocket.Code(code), reason) })
}

// onSocketFrame handles what is no message.
func (l *link) onSocketFrame(s *socket, h wire.FrameHeader, payload []byte) error {
	switch h.Kind {
	case wire.FrameWindow:
		n, err := wire.Window(payload, s.taking)
		if err != nil {
			return err
		}
		s.taking -= n
		s.toHome(func() { s.consumed(n) })
	case wire.FrameAbort:
		if s.closing {
			return wire.Violation("ABORT of a socket that the worker has closed")
		}
		s.closing = true
		what, err := l.in.Failure(payload)
		if err != nil {
			return err
		}
		l.log.Error("the application failed in a WebSocket", what.Attrs(s.about)...)
		s.toHome(func() { s.close(websocket.InternalError, "") })
	case wire.FrameDone:
		l.calls.removeSocket(s)
		if s.counted {
			l.worker.pool.dispatcher.RemoveSocket(&l.worker.room)
		}
		s.toHome(func() { s.close(websocket.NormalClosure, "") })
	default:
		return wire.Violation(fmt.Sprintf("frame of type %d for an open socket", h.Kind))
	}
	return nil
}
