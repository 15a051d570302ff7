package http2

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/pace"
	"github.com/asteri/asteri-loop/internal/stream"
)

// serverStream is one stream and the exchange on it. Its side towards the
// exchange is stream.Wire.
//
// It is open until the client has sent all and all was sent to it, or until it is
// reset; only then is it taken out of the session's table.
type serverStream struct {
	stream.Exchange
	s  *session
	id uint32

	queue      stream.Queue // content that waits
	counted    int          // how much of it the session's backlog counts
	sendWindow int          // content that the client takes on this stream; may be negative
	recvWindow int          // content that it may send
	credit     int          // consumed and not yet given back to recvWindow
	window     int          // how much may be on its way or not consumed
	// windowSince is when recvWindow was last added to, as those of clock.
	windowSince int64

	priority httpfield.Priority
	ready    bool // in the schedule
	prev     *serverStream
	next     *serverStream

	closed    bool
	inputDone bool // the client has sent all
	sent      bool // all was sent to the client
	unwanted  bool // nobody reads what the client still sends
	stalled   int64
	paced     bool      // pace says something
	pace      pace.Pace // at which the client opens the stream's window
	discardBy int64     // when to stop reading what nobody wants, as those of clock
}

var _ stream.Wire = (*serverStream)(nil)

// open prepares st for a new request.
func (st *serverStream) open(s *session, id uint32) {
	st.s, st.id = s, id
	st.queue.CountBy(s.conn)
	st.sendWindow = s.initialWindow
	st.window = s.at.config.InitialWindow
	st.recvWindow, st.windowSince = st.window, s.clock.now()
	st.counted, st.credit, st.stalled, st.discardBy = 0, 0, 0, 0
	st.paced, st.pace = false, pace.Pace{}
	st.closed, st.inputDone, st.sent, st.unwanted = false, false, false, false
	st.Init(s.at.Local, st, asteri.HTTP2, &s.peer)
}

// SendHead sends a header section.
func (st *serverStream) SendHead(fields []asteri.Field, end bool) (sent int) {
	if st.closed {
		return 0
	}
	s := st.s
	b := s.buffer()
	from := len(b)
	b = s.appendHeaders(b, st.id, fields, end)
	sent = len(b) - from
	s.put(b)
	if end {
		st.allSent()
	}
	return sent
}

// appendHeaders appends a HEADERS frame, and CONTINUATION frames if the client
// takes no frame of that size.
func (s *session) appendHeaders(b []byte, id uint32, fields []asteri.Field, end bool) []byte {
	var flags uint8 = flagEndHeaders
	if end {
		flags |= flagEndStream
	}
	from := len(b)
	b = appendFrameHeader(b, 0, frameHeaders, flags, id)
	b = s.encoder.encode(b, fields)
	if len(b)-from-frameHeaderLen <= s.maxFrame {
		setLength(b, from)
		return b
	}
	block := append([]byte(nil), b[from+frameHeaderLen:]...)
	b = b[:from]
	kind, flags := frameHeaders, flags&^flagEndHeaders
	for len(block) > 0 {
		n := min(len(block), s.maxFrame)
		if n == len(block) {
			flags |= flagEndHeaders
		}
		b = appendFrameHeader(b, n, kind, flags, id)
		b = append(b, block[:n]...)
		block = block[n:]
		kind, flags = frameContinuation, 0
	}
	return b
}

// Send sends content, or queues what cannot be sent now.
func (st *serverStream) Send(p []byte, end bool) (queued int) {
	if st.closed || st.queue.Ended() || st.sent {
		return 0
	}
	if st.queue.Len() == 0 && st.s.schedule.empty() {
		p = st.sendNow(p, end)
		if st.closed || len(p) == 0 && (!end || st.sent) {
			return 0
		}
	}
	if len(p) > 0 {
		st.queue.Write(st.s.at.Local, p)
	}
	if end {
		st.queue.End(nil)
	}
	st.makeReady()
	return st.waiting()
}

// sendNow sends of p what the windows and the queue of the connection have room
// for, and returns the rest.
func (st *serverStream) sendNow(p []byte, end bool) (rest []byte) {
	s := st.s
	if st.dribbles(len(p)) {
		return nil
	}
	b := s.buffer()
	room := sendHigh - s.queued()
	for {
		n := min(len(p), st.sendWindow, s.sendWindow, s.maxFrame)
		if n < len(p) && (n <= 0 || room <= 0) || n == 0 && !end {
			break
		}
		last := end && n == len(p)
		b = st.appendData(b, p[:n], last)
		p = p[n:]
		room -= n
		if last {
			s.put(b)
			st.allSent()
			return nil
		}
	}
	s.put(b)
	return p
}

// appendData appends a DATA frame and counts it against the windows.
func (st *serverStream) appendData(b, p []byte, end bool) []byte {
	var flags uint8
	if end {
		flags = flagEndStream
	}
	st.sendWindow -= len(p)
	st.s.sendWindow -= len(p)
	if len(p) >= dribble {
		st.s.idle.Earn(earnedByData)
	}
	st.stalled = 0
	if st.paced || st.s.clock.paced {
		st.s.clock.took(st, len(p))
	}
	b = appendFrameHeader(b, len(p), frameData, flags, st.id)
	return append(b, p...)
}

// SendFile queues a part of a file.
func (st *serverStream) SendFile(f asteri.File, off, n int64) (queued int) {
	if st.closed || st.queue.Ended() || st.sent {
		f.Close()
		return 0
	}
	st.queue.WriteFile(f, off, n)
	st.makeReady()
	return st.waiting()
}

// SendTrailer queues the end of the response with a trailer section.
func (st *serverStream) SendTrailer(trailer *asteri.Header) {
	if st.closed || st.queue.Ended() || st.sent {
		return
	}
	st.queue.End(trailer)
	st.makeReady()
}

// Queued returns how many bytes wait to be sent.
func (st *serverStream) Queued() int { return st.waiting() }

// Kept implements stream.Wire.
func (st *serverStream) Kept() int { return st.queue.Kept() }

// waiting returns how many bytes wait to be sent, and counts them. Where a
// connection's streams hold much together, each is called long earlier.
func (st *serverStream) waiting() int {
	n := st.queue.Len()
	st.s.backlog += n - st.counted
	st.counted = n
	if n == 0 && st.paced {
		st.paced = false
		st.pace.Clear()
	}
	if st.s.backlog > maxBacklog && n >= asteri.LowWater {
		n = max(n, asteri.HighWater)
	}
	return n
}

// maxBacklog is how many bytes all streams of a connection together may have waiting
// before their handlers are asked to wait.
const maxBacklog = 4 * asteri.HighWater

// StopReading lets the rest of the request come, once the response is sent, if it is
// so little that the client needs no leave to send it, and comes soon: a client
// whose stream is reset in the middle of its request is perhaps not prepared for
// that. Others are told that it is not wanted (RFC 9113 section 8.1).
func (st *serverStream) StopReading() {
	if st.closed || st.inputDone {
		return
	}
	st.unwanted = true
	if st.sent {
		st.discard()
	}
}

// discard is called when all was sent and the client may still be sending.
func (st *serverStream) discard() {
	if st.Request().ContentLength-st.Received() > int64(st.recvWindow) {
		st.Reset(nil)
		return
	}
	st.discardBy = st.s.clock.in(discardTime)
	st.s.clock.watchBodies(discardTime)
}

// discardTime is for how long what nobody wants may come.
const discardTime = time.Second

// Reset ends the stream for a reason that lies with the handler.
func (st *serverStream) Reset(cause error) {
	if st.closed {
		return
	}
	st.s.put(appendRSTStream(st.s.buffer(), st.id, resetCode(cause)))
	st.forget(true)
}

// Reserve counts memory against the connection.
func (st *serverStream) Reserve(n int) { st.s.conn.Reserve(n) }

// Await has the body's deadline watched.
func (st *serverStream) Await() { st.s.clock.watchBodies(st.s.at.Settings.Timeouts.Body) }

// Room returns how many bytes the client may send.
func (st *serverStream) Room() int { return st.recvWindow }

// Watch has the handler looked at.
func (st *serverStream) Watch(d time.Duration) { st.s.clock.watchHandlers(d) }

// Recycle has the stream used again, if it is closed, and no trailer is being read that
// is for it.
func (st *serverStream) Recycle() bool {
	if b := st.s.block; !st.closed || b != nil && b.st == st {
		return false
	}
	st.s.at.putStream(st)
	return true
}

// allSent is called when the last frame of the response is on its way.
func (st *serverStream) allSent() {
	st.sent = true
	switch {
	case st.inputDone:
		st.forget(false)
	case st.unwanted:
		st.discard()
	}
}

// inputEnded is called when the client has sent all.
func (st *serverStream) inputEnded() {
	st.inputDone = true
	st.shrink()
	if st.sent {
		st.forget(false)
	}
}

// halfClosed is called when the client sends nothing more on its connection.
func (st *serverStream) halfClosed() {
	st.HalfClosed()
	if !st.closed {
		st.inputEnded()
	}
}

// reset ends the stream for a reason that lies with the client.
func (st *serverStream) reset(code errorCode, cause error) {
	st.s.put(appendRSTStream(st.s.buffer(), st.id, code))
	st.forget(true)
	st.abandon(cause)
}

// lose ends the stream together with its connection.
func (st *serverStream) lose(cause error) {
	st.drop()
	st.Cancel(cause)
}

// abandon cancels the exchange of a stream that is gone. While its handler runs,
// it counts as open.
func (st *serverStream) abandon(cause error) {
	if !st.Over() {
		st.s.loosen(st)
	}
	st.Cancel(cause)
}

// forget takes the stream out of the table. ours says that it was reset by us, so
// that frames may still come that the client sent before it heard of that.
func (st *serverStream) forget(ours bool) {
	s := st.s
	st.drop()
	s.gone.add(st.id, ours)
	if s.streams[st.id] == st {
		delete(s.streams, st.id)
		st.Vacate()
	}
	s.worked = true
	if !s.inData { // which settles at its end
		s.settle()
	}
}

// drop closes the stream and frees what it has queued.
func (st *serverStream) drop() {
	st.closed = true
	st.shrink()
	st.s.schedule.remove(st)
	st.queue.Drop(st.s.at.Local)
	st.waiting()
}
