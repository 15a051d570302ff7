package python

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/marshal"
	"github.com/asteri/asteri-loop/workers/websocket"
)

// What a worker sends for its WebSockets.

// onMessages handles what the worker's applications send.
func (l *link) onMessages(payload []byte) error {
	l.begin(payload, maxFrame)
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.List || v.Int%2 != 0 {
		return violation("MESSAGES is not a list of pairs")
	}
	for n := v.Int; n > 0; n -= 2 {
		id, err := l.nextInt()
		if err != nil {
			return err
		}
		s := l.calls.sockets[uint32(id)]
		if s == nil || int64(s.id) != id {
			return violation(fmt.Sprintf("message for stream %d, which is no open socket", id))
		}
		if err := l.onItem(s); err != nil {
			return err
		}
	}
	return l.walker.End()
}

// onItem handles a message, a piece of one, or the wish to close.
func (l *link) onItem(s *socket) error {
	if s.closing {
		return violation("more from a socket that the worker has closed")
	}
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	last := true
	if v.Kind == marshal.Tuple {
		if v.Int == 2 {
			return l.onSocketClose(s)
		}
		if v.Int != 1 {
			return violation("item of a socket is a tuple of neither 1 nor 2")
		}
		last = false
		if err := l.walker.Next(&v); err != nil {
			return err
		}
		if len(v.Data) == 0 {
			return violation("piece of a message without a byte")
		}
	}
	kind := websocket.Binary
	switch {
	case v.Kind == marshal.Str:
		kind = websocket.Text
		if !v.ASCII && !utf8.Valid(v.Data) {
			return violation("text of a socket is not UTF-8")
		}
	case v.Kind != marshal.Bytes:
		return violation("message of a socket is neither str nor bytes")
	}
	if s.window <= 0 || len(v.Data) > maxItem {
		return violation("more messages than the window allows, or a piece of one that is too long")
	}
	s.window -= cost(len(v.Data), last)
	if s.home == asteri.Executor(l.loop) {
		s.write(kind, v.Data, last)
		return nil
	}
	p := bytes.Clone(v.Data)
	s.home.Post(func() { s.write(kind, p, last) })
	return nil
}

func (l *link) onSocketClose(s *socket) error {
	code, err := l.nextInt()
	if err != nil {
		return err
	}
	reason, err := l.nextText(false)
	if err != nil {
		return err
	}
	s.closing = true
	if code < 0 || code > 4999 {
		code = int64(websocket.InternalError)
	}
	s.toHome(func() { s.close(websocket.Code(code), reason) })
	return nil
}

// nextText reads a str as valid UTF-8; empty for None, if that may be.
func (l *link) nextText(orNone bool) (string, error) {
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return "", err
	}
	switch {
	case v.Kind == marshal.None && orNone:
		return "", nil
	case v.Kind != marshal.Str:
		return "", violation("not a str")
	}
	return string(bytes.ToValidUTF8(v.Data, []byte("\uFFFD"))), nil
}

// onSocketFrame handles what is no message.
func (l *link) onSocketFrame(s *socket, h header, payload []byte) error {
	switch h.kind {
	case frameWindow:
		if len(payload) != 4 {
			return violation("WINDOW is not 4 bytes")
		}
		n := int(binary.LittleEndian.Uint32(payload))
		if n == 0 || n > s.taking {
			return violation("WINDOW for what was not sent")
		}
		s.taking -= n
		s.toHome(func() { s.consumed(n) })
	case frameAbort:
		if s.closing {
			return violation("ABORT of a socket that the worker has closed")
		}
		s.closing = true
		what, err := l.readFailure(payload)
		if err != nil {
			return err
		}
		l.log.Error("the application failed in a WebSocket", what.attrs(s.about)...)
		s.toHome(func() { s.close(websocket.InternalError, "") })
	case frameDone:
		l.calls.removeSocket(s)
		if s.counted {
			l.worker.pool.dispatcher.removeSocket(l.worker)
		}
		s.toHome(func() { s.close(websocket.NormalClosure, "") })
	default:
		return violation(fmt.Sprintf("frame of type %d for an open socket", h.kind))
	}
	return nil
}
