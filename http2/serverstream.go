package http2

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/pace"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// serverStream is one stream. Its side towards the exchange, or the tunnel, on it is
// exchange.Wire.
type serverStream struct {
	x     *exchange.Exchange // nil if it has become a tunnel
	party exchange.Party     // x, or the tunnel
	s     *session
	id    uint32
	state streamState

	queue      exchange.Queue // content that waits
	counted    int            // how much of it the session's backlog counts
	sendWindow int            // content that the client takes on this stream; may be negative
	recvWindow int            // content that it may send
	credit     int            // consumed and not yet given back to recvWindow
	window     int            // how much may be on its way or not consumed
	// windowSince is when recvWindow was last added to, as those of clock.
	windowSince int64

	priority httpfield.Priority
	ready    bool // in the schedule
	prev     *serverStream
	next     *serverStream

	stalled   int64
	paced     bool      // pace says something
	pace      pace.Pace // at which the client opens the stream's window
	discardBy int64     // when to stop reading what nobody wants, as those of clock
}

var _ exchange.Wire = (*serverStream)(nil)

// open prepares st for a new request.
func (st *serverStream) open(s *session, id uint32) {
	if st.x == nil {
		st.x = new(exchange.Exchange)
	}
	st.party = st.x
	st.s, st.id, st.state = s, id, streamOpen
	st.queue.CountBy(s.conn)
	st.sendWindow = s.initialWindow
	st.window = s.at.config.InitialWindow
	st.recvWindow, st.windowSince = st.window, s.clock.now()
	st.counted, st.credit, st.stalled, st.discardBy = 0, 0, 0, 0
	st.paced, st.pace = false, pace.Pace{}
	st.x.Init(s.at.Local, st, asteri.HTTP2, &s.peer)
}

// Compose puts a header section together.
func (st *serverStream) Compose(head *exchange.Head, h *asteri.Header) error {
	return st.s.at.section.Compose(head, h)
}

// Commit sends the header section, and content.
func (st *serverStream) Commit(head *exchange.Head, content []byte, end bool) {
	if st.state == streamClosed {
		return
	}
	s := st.s
	fields := s.at.section.Complete(head, st.x)
	bare := end && len(content) == 0
	b := s.buffer()
	from := len(b)
	b = s.appendHeaders(b, st.id, fields, bare)
	st.x.Framed(len(b) - from)
	s.put(b)
	switch {
	case bare:
		st.allSent()
	case end:
		st.send(content, true)
	}
}

// Offered implements exchange.Wire.
func (st *serverStream) Offered(protocol []byte) (status int, err error) {
	return st.x.OfferedConnect(protocol)
}

// Become has the stream go on as a tunnel.
func (st *serverStream) Become() (*exchange.Tunnel, exchange.Channel) {
	st.x.Vacate()
	t := new(exchange.Tunnel)
	st.x, st.party = nil, t
	return t, st
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
func (st *serverStream) Send(p []byte) (queued int) { return st.send(p, false) }

func (st *serverStream) send(p []byte, end bool) (queued int) {
	if !st.sends() {
		return 0
	}
	if st.queue.Len() == 0 && st.s.schedule.empty() {
		p = st.sendNow(p, end)
		if len(p) == 0 && !end || !st.sends() {
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

// sends tells whether something may still be sent on the stream.
func (st *serverStream) sends() bool { return st.state <= streamHalfRemote && !st.queue.Ended() }

// sendNow sends of p what the windows and the queue of the connection have room
// for, and returns the rest.
func (st *serverStream) sendNow(p []byte, end bool) (rest []byte) {
	s := st.s
	if st.chargeSmallWindow(len(p)) {
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
	if len(p) >= smallData {
		st.s.idle.Put(earnedByData)
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
	if !st.sends() {
		f.Close()
		return 0
	}
	st.queue.WriteFile(f, off, n)
	st.makeReady()
	return st.waiting()
}

// End queues the end of the response.
func (st *serverStream) End(trailer bool) {
	if !st.sends() {
		return
	}
	if !trailer {
		st.send(nil, true)
		return
	}
	st.queue.End(st.s.at.section.Trailer())
	st.makeReady()
}

// Queued returns how many bytes wait to be sent.
func (st *serverStream) Queued() int { return st.waiting() }

// Full implements exchange.Channel.
func (st *serverStream) Full() bool { return st.queue.Kept() >= st.s.at.MaxQueued }

// waiting returns how many bytes wait to be sent, as far as the handler is to know, and
// counts them.
func (st *serverStream) waiting() int {
	n := st.queue.Len()
	queued := st.s.streams.Waiting(&st.counted, n)
	if n == 0 && st.paced {
		st.paced = false
		st.pace.Clear()
	}
	return queued
}

// Done lets the rest of the request come, once the response is sent, if it is
// so little that the client needs no leave to send it, and comes soon: a client
// whose stream is reset in the middle of its request is perhaps not prepared for
// that. Others are told that it is not wanted (RFC 9113 section 8.1).
func (st *serverStream) Done() {
	if st.x == nil {
		st.End(false)
	}
	if st.state == streamHalfLocal {
		st.discard()
	}
}

// discard is called when all was sent and the client may still be sending.
func (st *serverStream) discard() {
	if st.x != nil && st.x.Request().ContentLength-st.x.Received() > int64(st.recvWindow) {
		st.Reset(nil)
		return
	}
	st.discardBy = st.s.clock.in(exchange.DiscardTime)
	st.s.clock.watchBodies(exchange.DiscardTime)
}

// Reset ends the stream for a reason that lies with the handler.
func (st *serverStream) Reset(cause error) { st.end(resetByUs, resetCode(cause), nil) }

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
	if b := st.s.block; st.state != streamClosed || b != nil && b.st == st {
		return false
	}
	st.s.at.putStream(st)
	return true
}
