package http1

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/protocol/onloop"
	"github.com/asteri/asteri-loop/loop"
)

// session is one connection. It serves one request at a time, in order; bytes
// of later requests wait in the connection's input. Idle, it holds no parser, no
// exchange and no buffer.
type session struct {
	conn loop.Conn
	at   *local
	x    *transaction // being answered, nil between requests
	head *head        // the head being read, nil unless some of it has arrived
	body bodyReader
	peer asteri.Peer

	discarded int           // body bytes dropped after the answer
	wait      exchange.Wait // for them

	timerFor time.Duration // what the timer was set to; 0: it does not run
	timer    timerKind
	phase    phase
	inData   bool // within OnData, which settles everything at its end
	paused   bool
	eof      bool // the peer sends no more
	stopping bool // the server is draining
	high     bool // the send queue was above the high-water mark
	heavy    bool // memory is short and this connection holds much, as of OnData
}

// phase is what the next input byte belongs to.
type phase uint8

const (
	phaseHead    phase = iota // the head of a request
	phaseBody                 // a request's body; without an exchange it is dropped
	phaseWait                 // a later request: the present one is being answered
	phaseDrop                 // nothing: the body has failed, the answer goes on
	phaseClosing              // nothing: to be closed at the end of OnData
	phaseOver                 // nothing: the session has let go of the connection
)

// maxDiscard is how many bytes of a body that nobody wants are read in order to
// keep the connection. Beyond it, closing is cheaper for both sides.
const maxDiscard = 256 << 10

var (
	_ loop.Shedder  = (*session)(nil)
	_ loop.Watchful = (*session)(nil)
)

func newSession(c loop.Conn, at *local) *session {
	s := &session{conn: c, at: at}
	s.peer = onloop.Peer(c.Info())
	s.startTimer(timerHeader, at.Settings.Timeouts.Header)
	return s
}

// OnData reads requests and their bodies as far as it can.
func (s *session) OnData(in []byte) (consumed int, err error) {
	s.wait.End(s.at.Local)
	s.inData, s.heavy = true, s.conn.Heavy()
	for !s.paused && consumed < len(in) {
		used := s.step(in[consumed:])
		consumed += used
		if used == 0 {
			break
		}
	}
	s.inData = false
	s.settle(consumed < len(in))
	return consumed, nil
}

// step handles the beginning of p and returns how much of it is dealt with; 0
// means that it takes more bytes, or some event, to go on.
func (s *session) step(p []byte) int {
	switch s.phase {
	case phaseHead:
		return s.readHead(p)
	case phaseBody:
		return s.readBody(p)
	case phaseWait:
		s.pause()
		return 0
	case phaseDrop:
		return len(p)
	}
	return 0
}

// settle is called when input has been handled; more tells that some is left.
func (s *session) settle(more bool) {
	switch s.phase {
	case phaseOver:
	case phaseClosing:
		s.close(more || !s.body.done())
	default:
		s.arm()
	}
}

// readHead reads a request head, and serves the request once it is complete.
func (s *session) readHead(p []byte) int {
	if g := s.at.gateway; g != nil {
		return s.readGatewayHead(g, p)
	}
	skipped, size := 0, 0
	h := s.head
	if h == nil {
		// RFC 9112 section 2.2: clients may send empty lines before a request.
		for len(p)-skipped >= 2 && p[skipped] == '\r' && p[skipped+1] == '\n' {
			skipped += 2
		}
		p = p[skipped:]
		if len(p) == 0 || len(p) == 1 && p[0] == '\r' {
			return skipped
		}
		h = s.at.takeHead()
		if size = h.again(p); size == 0 {
			h.reset(&s.at.Settings.Limits)
		}
	}
	if size == 0 {
		var refusal *asteri.StatusError
		size, refusal = h.parse(p)
		switch {
		case refusal != nil:
			s.refuse(h, refusal)
			return 0
		case size == 0:
			s.head = h
			return skipped
		}
		h.remember(p[:size])
		s.head = nil
	}
	x := s.at.takeTransaction()
	x.begin(s, h, p[:size])
	s.body.begin(h)
	refusal := h.check()
	s.at.putHead(h)
	s.serve(x, refusal)
	return skipped + size
}

// serve hands an exchange to the handler, unless its head was refused. If it is
// over when the handler returns, and the handler kept nothing of it, it is used
// again.
func (s *session) serve(x *transaction, refusal *asteri.StatusError) {
	s.x = x
	if s.eof {
		x.PeerHadEnded()
	}
	if s.stopping {
		x.Shutdown()
	}
	if s.high {
		x.Congested()
	}
	s.timer = timerNone
	s.phase = phaseWait
	if !s.body.done() {
		s.phase = phaseBody
	}
	if refusal == nil && s.heavy {
		refusal = httpfield.ErrMemory
	}
	x.Serve(s.body.done(), refusal)
	switch {
	case !x.Over():
		x.Occupy(0)
	case x.Reusable():
		s.at.putTransaction(x)
	}
}

// readBody reads content, for the exchange or, once that is over, to be dropped.
func (s *session) readBody(p []byte) int {
	x := s.x
	room := maxDiscard
	if x != nil {
		if !x.Asked() {
			s.pause() // nobody has asked yet
			return 0
		}
		room = x.Takes()
	}
	part := s.body.next(p, room, s.at)
	if part.refusal != nil {
		s.bodyFailed(part.refusal)
		return 0
	}
	if part.used == 0 && room <= 0 {
		s.pause()
		return 0
	}
	if x == nil {
		s.discard(part.used)
		return part.used
	}
	if s.body.done() {
		s.phase = phaseWait
	}
	if len(part.content) > 0 {
		_ = x.Receive(part.content) // which is as long as was announced
	}
	if s.x == x && s.body.done() {
		_ = x.ReceiveEnd(part.trailer)
	}
	s.dropFailed()
	return part.used
}

func (s *session) discard(n int) {
	switch s.discarded += n; {
	case s.body.done():
		s.nextRequest()
	case s.discarded > maxDiscard:
		s.phase = phaseClosing
	}
}

// nextRequest lets the next request begin, and its deadline.
func (s *session) nextRequest() {
	s.phase = phaseHead
	s.timer = timerNone
}

// bodyFailed ends a body that is malformed, too long or cut short.
func (s *session) bodyFailed(cause *asteri.StatusError) {
	x := s.x
	if x == nil {
		s.close(true)
		return
	}
	x.BodyFailed(cause)
	s.dropFailed()
}

// dropFailed drops what comes of a body that has failed, while the answer goes on: see
// transaction.Done.
func (s *session) dropFailed() {
	if s.phase == phaseBody && s.x != nil && s.x.BodyClosed() {
		s.phase = phaseDrop
	}
}

// refuse answers a head that could not be parsed, and closes.
func (s *session) refuse(h *head, refusal *asteri.StatusError) {
	s.head = nil
	s.at.putHead(h)
	b := s.at.appendRefusal(s.at.buf[:0], refusal)
	s.conn.Write(b)
	s.at.putBuf(b)
	s.at.Observe(asteri.Record{Peer: &s.peer, Status: refusal.Code, BytesSent: int64(len(b)), Err: refusal})
	s.close(true)
}

// letGo has the session forget x, which is over.
func (s *session) letGo(x *transaction) {
	s.x = nil
	s.discarded, s.wait = 0, exchange.Wait{}
	x.Vacate()
}

// inputEnded is called when the peer has half-closed and all that it sent has
// been handled.
func (s *session) inputEnded() {
	switch {
	case s.phase == phaseHead && s.head != nil:
		s.refuse(s.head, bad("connection ended within a request head"))
	case s.phase == phaseHead:
		s.close(false)
	case s.phase == phaseBody:
		s.bodyFailed(bad("connection ended within the content"))
	}
}

// OnEOF notes a half-close. The request in flight is still answered. Input that was
// kept because of it comes first, and then this again.
func (s *session) OnEOF() {
	first, more := !s.eof, s.paused
	s.eof = true
	if s.x != nil && first {
		s.x.PeerEnded()
	}
	if !more && s.phase != phaseOver {
		s.inputEnded()
	}
	s.arm()
}

// OnDrain lets writers go on, and a client that pipelines.
func (s *session) OnDrain() {
	s.high = false
	if s.x != nil {
		s.x.Drained()
	}
	if s.paused && s.x == nil && s.phase != phaseOver {
		s.resume()
		s.arm()
	}
}

// OnShutdown closes the connection once it has nothing in hand.
func (s *session) OnShutdown() {
	s.stopping = true
	if s.x != nil {
		s.x.Shutdown()
	}
	switch {
	case s.x != nil || s.head != nil:
	case s.phase == phaseHead && !s.paused && s.conn.Loop().Bequeathed():
		// Nobody has to wait for the end, and a client may have sent a request by now.
		s.part()
	case s.phase == phaseHead && !s.paused:
		s.close(false)
	case s.phase == phaseBody:
		s.close(true)
	}
}

// OnShed answers a request whose response has not begun. It is of no use to tell the
// others, and what waits for a client that does not read is what is to go.
func (s *session) OnShed() {
	x := s.x
	switch {
	case s.Idle():
		s.close(false)
	case x == nil || x.Begun():
		s.conn.Abort(loop.Shed)
	default:
		x.Fail(httpfield.ErrMemory)
	}
}

// Watchful implements loop.Watchful: clients are timed by what they owe, and handlers
// by who calls them.
func (s *session) Watchful() {}

// Idle tells whether no request is under way.
func (s *session) Idle() bool { return s.x == nil && s.head == nil && s.phase == phaseHead }

// OnClose ends what the connection's end leaves without a client.
func (s *session) OnClose(cause error) {
	s.phase = phaseOver
	s.head = nil
	if x := s.x; x != nil {
		s.letGo(x)
		x.Cancel(onloop.Gone(cause))
	}
}

// close lets go of the connection once all is sent. more says that the peer may
// still be sending.
func (s *session) close(more bool) {
	s.phase = phaseOver
	s.conn.CloseWhenFlushed(more && !s.eof)
}

func (s *session) pause() {
	if !s.paused {
		s.paused = true
		s.conn.PauseRead()
	}
}

// resume has input offered again, and the end of it.
func (s *session) resume() {
	if s.paused {
		s.paused = false
		s.conn.ResumeRead()
	}
}

// write queues a copy of p.
func (s *session) write(p []byte) (queued int) { return s.wrote(s.conn.Write(p)) }

// wrote notes whether writers should wait; OnDrain will tell when not any more.
func (s *session) wrote(queued int) int {
	if queued >= asteri.HighWater {
		s.high = true
	}
	return queued
}
