package http1

import (
	"strconv"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

var _ exchange.Wire = (*transaction)(nil)

// Compose puts the beginning of a head together, to which Commit adds what the session
// decides; or a trailer section behind the last chunk, which other framings have no place
// for.
func (x *transaction) Compose(head *exchange.Head, h *asteri.Header) (err error) {
	at := x.session.at
	b := at.buf[:0]
	switch {
	case head.Status >= 200:
		b, err = at.prepared.appendStart(b, head.Status, h, &head.Facts)
	case head.Status > 0:
		b = append(b, statusLines[head.Status-100]...)
		if head.Status == 101 {
			b = append(b, "Connection: Upgrade\r\n"...)
		}
		b, err = appendFields(b, h, &head.Facts)
	case x.framing == frameChunked:
		b, err = appendFields(append(b, lastChunk...), h, &head.Facts)
	}
	at.composed = b
	return err
}

// oneWrite is the size up to which content is put behind its head or its chunk
// size before it is queued: copying it twice is cheaper than queueing twice.
const oneWrite = 4 << 10

// Commit sends a head, and content.
func (x *transaction) Commit(head *exchange.Head, content []byte, _ bool) {
	s := x.session
	at := s.at
	b := at.composed
	switch {
	case head.Status >= 200:
		x.chooseFraming(head)
		b = x.appendFraming(b, head)
		b = x.appendConnection(b, head)
		if head.ID {
			b = x.appendID(b)
		}
		b = at.appendEnd(b, &head.Facts, s.peer.TLS != nil)
	case head.Status == 101:
		if head.ID {
			b = x.appendID(b)
		}
		b = at.appendEnd(b, &head.Facts, false)
	default:
		b = append(b, crlf...)
	}
	x.Framed(len(b))
	if len(content) <= oneWrite {
		b, content = append(b, content...), nil
	}
	s.write(b)
	at.putBuf(b)
	if len(content) > 0 {
		s.write(content)
	}
}

// Send queues content.
func (x *transaction) Send(p []byte) (queued int) {
	s := x.session
	if x.framing != frameChunked {
		return s.write(p)
	}
	at := s.at
	b := appendChunkSize(at.buf[:0], int64(len(p)))
	x.Framed(len(b) + len(crlf))
	if len(p) <= oneWrite {
		b = append(b, p...)
		b = append(b, crlf...)
		queued = s.write(b)
	} else {
		s.write(b)
		s.write(p)
		queued = s.write(crlf)
	}
	at.putBuf(b)
	return queued
}

var (
	crlf      = []byte("\r\n")
	lastChunk = []byte("0\r\n")
)

func appendChunkSize(b []byte, n int64) []byte {
	b = strconv.AppendInt(b, n, 16)
	return append(b, '\r', '\n')
}

// SendFile queues a part of a file as content.
func (x *transaction) SendFile(f asteri.File, off, n int64) (queued int) {
	s := x.session
	if x.framing != frameChunked {
		return s.wrote(s.conn.SendFile(f, off, n))
	}
	b := appendChunkSize(nil, n)
	x.Framed(len(b) + len(crlf))
	s.write(b)
	s.wrote(s.conn.SendFile(f, off, n))
	return s.write(crlf)
}

// End queues the end of the response.
func (x *transaction) End(trailer bool) {
	if x.framing != frameChunked {
		return
	}
	at := x.session.at
	b := at.composed
	if !trailer {
		b = at.buf[:0]
		b = append(b, lastChunk...)
	}
	b = append(b, crlf...)
	x.Framed(len(b))
	x.session.write(b)
	at.putBuf(b)
}

// Done lets the connection go on to the next request, if it can.
func (x *transaction) Done() {
	s := x.session
	s.letGo(x)
	switch {
	case s.phase == phaseOver:
		return
	case !x.keepAlive || s.stopping || x.BodyClosed() && !s.body.done():
		s.phase = phaseClosing
	case s.body.done():
		s.nextRequest()
	case s.body.kind == bodyFixed && s.body.left > maxDiscard:
		s.phase = phaseClosing
	default:
		s.phase = phaseBody
	}
	if s.high && s.phase == phaseHead {
		s.pause() // a client that pipelines must also read
	}
	if s.inData {
		return // settles at its end
	}
	if s.phase == phaseClosing {
		s.close(s.paused || !s.body.done())
		return
	}
	if s.paused && !s.high {
		s.resume()
	} else if s.eof && !s.paused {
		s.inputEnded()
	}
	s.arm()
}

// Reset ends the connection.
func (x *transaction) Reset(cause error) {
	s := x.session
	s.phase = phaseOver
	s.letGo(x)
	s.conn.Abort(cause)
}

// Queued returns how many bytes wait to be sent on the connection.
func (x *transaction) Queued() int { return x.session.conn.Queued() }

// Full implements exchange.Channel.
func (x *transaction) Full() bool { return x.session.conn.Full() }

// Reserve counts memory against the connection.
func (x *transaction) Reserve(n int) { x.session.conn.Reserve(n) }

// Credit does nothing: see Await.
func (x *transaction) Credit(int) {}

// Room is that of the exchange alone: bytes that it does not take stay where they are.
func (x *transaction) Room() int { return asteri.BodyWindow }

// Await has input offered, and the body's deadline watched.
func (x *transaction) Await() {
	if s := x.session; !s.inData { // which settles at its end
		s.resume()
		s.arm()
	}
}

// Watch has the handler looked at. The timer that runs does mostly for that.
func (x *transaction) Watch(d time.Duration) {
	if s := x.session; s.x == x {
		s.watchHandler(d)
	}
}

// Offered implements exchange.Wire. What the client sent behind its request belongs to
// the tunnel.
func (x *transaction) Offered(protocol []byte) (status int, err error) {
	switch {
	case !x.upgradable || !x.offered(string(protocol)):
		return 0, httpfield.Misuse("upgrade that the client did not offer") // RFC 9110 section 7.8
	case !x.session.body.done():
		return 0, httpfield.Misuse("upgrade before the end of the request")
	}
	return 101, nil
}

// offered tells whether the client's Upgrade field lists protocol.
func (x *transaction) offered(protocol string) bool {
	return protocol != "" && httpfield.ListsItem(&x.Request().Header, "Upgrade", protocol)
}

// Become hands the connection over to the tunnel.
func (x *transaction) Become() (*exchange.Tunnel, exchange.Channel) {
	s := x.session
	s.startTimer(timerNone, 0)
	s.phase = phaseOver
	s.letGo(x)
	next := &tunnelSession{conn: s.conn}
	s.conn.Replace(next)
	return &next.tunnel, next
}
