package http1

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/onloop"
	"github.com/asteri/asteri-loop/loop"
)

// session is one connection. It serves one request at a time, in order; bytes
// of later requests wait in the connection's input. Idle, it holds no parser, no
// exchange and no buffer.
type session struct {
	conn loop.Conn
	at   *local
	x    *exchange // the request being answered, nil between requests
	head *head     // the head being read, nil unless some of it has arrived
	body bodyReader
	peer asteri.Peer

	// Body deadlines. Time counts only while bytes are asked for.
	bodySince  int64 // when the present wait began, by the clock of deadlines
	bodyWaited time.Duration
	discarded  int // body bytes dropped after the answer
	occupied   int // bytes counted for the head of a request that is being answered

	phase    phase
	timer    timerKind
	timerFor time.Duration // what the timer was set to; 0: it does not run
	inData   bool          // within OnData, which settles everything at its end
	paused   bool
	eof      bool // the peer sends no more
	stopping bool // the server is draining
	high     bool // the send queue was above the high-water mark
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
	s.startTimer(timerHeader, at.settings.Timeouts.Header)
	return s
}

// OnData reads requests and their bodies as far as it can.
func (s *session) OnData(in []byte) (consumed int, err error) {
	if s.timer == timerBody {
		s.countBodyTime()
	}
	s.inData = true
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
			h.reset(&s.at.settings.Limits)
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
	x := s.at.takeExchange()
	x.begin(s, h, p[:size])
	s.body.begin(h)
	refusal := h.check()
	s.at.putHead(h)
	if refusal != nil || !s.takenOver(x) {
		s.serve(x, refusal)
	}
	return skipped + size
}

// serve hands an exchange to the handler, unless its head was refused. If it is
// over when the handler returns, and the handler kept nothing of it, it is used
// again.
func (s *session) serve(x *exchange, refusal *asteri.StatusError) {
	s.x = x
	if s.eof {
		x.cause = asteri.ErrHalfClosed // OnCancel reports it
	}
	s.timer = timerNone
	s.bodyWaited = 0
	s.phase = phaseWait
	if !s.body.done() {
		s.phase = phaseBody
	}
	x.serving = true
	if refusal == nil && s.conn.Heavy() {
		refusal = httpfield.ErrMemory
	}
	if refusal != nil {
		x.fail(refusal)
	} else {
		x.callHandler()
	}
	x.serving = false
	switch {
	case !x.over:
		x.kept = true
		x.turn.Begin(s.at.awake())
		s.occupied = cap(x.arena)
		s.conn.Reserve(s.occupied)
	case x.reusable():
		s.at.putExchange(x)
	}
}

// readBody reads content, for the exchange or, once that is over, to be dropped.
func (s *session) readBody(p []byte) int {
	x := s.x
	room := maxDiscard
	if x != nil {
		if x.sink == nil {
			s.pause() // nobody has asked yet
			return 0
		}
		room = asteri.BodyWindow - x.window
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
		x.deliver(part.content)
	}
	if s.x == x && s.body.done() {
		x.endBody(part.trailer)
	}
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

// bodyFailed ends a body that is malformed, too long, too slow or cut short. An
// answer that has begun may go on; what its handler makes of the error is its
// own matter. Otherwise the client is told.
func (s *session) bodyFailed(cause *asteri.StatusError) {
	x := s.x
	switch {
	case x == nil:
		s.close(true)
	case x.started:
		x.keepAlive = false
		s.phase = phaseDrop
		x.failBody(cause)
	default:
		x.fail(cause)
	}
}

// refuse answers a head that could not be parsed, and closes.
func (s *session) refuse(h *head, refusal *asteri.StatusError) {
	s.head = nil
	s.at.putHead(h)
	b := s.at.appendRefusal(s.at.buf[:0], refusal)
	s.conn.Write(b)
	s.at.putBuf(b)
	if s.at.settings.Observer != nil {
		guard.Observe(s.at.settings.Observer, &asteri.Record{
			Home: s.at.loop, Peer: &s.peer, Status: refusal.Code, BytesSent: int64(len(b)), Err: refusal,
		}, s.at.settings.Logger)
	}
	s.close(true)
}

// exchangeOver is called by the exchange when its response is complete. The
// connection goes on to the next request, if it can.
func (s *session) exchangeOver(x *exchange) {
	s.x = nil
	s.discarded = 0
	s.vacate()
	switch {
	case s.phase == phaseOver:
		return
	case !x.keepAlive || s.stopping:
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

// vacate takes back what was counted for the head of a request.
func (s *session) vacate() {
	if s.occupied > 0 {
		s.conn.Reserve(-s.occupied)
		s.occupied = 0
	}
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
		s.x.turn.Begin(s.at.awake())
		s.x.cancel(asteri.ErrHalfClosed)
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
		s.x.drained()
	}
	if s.paused && s.x == nil && s.phase != phaseOver {
		s.resume()
		s.arm()
	}
}

// OnShutdown closes the connection once it has nothing in hand.
func (s *session) OnShutdown() {
	s.stopping = true
	switch {
	case s.x != nil || s.head != nil:
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
	case x == nil || x.started:
		s.conn.Abort(loop.Shed)
	default:
		x.keepAlive = false
		s.phase = phaseDrop
		x.fail(httpfield.ErrMemory)
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
		s.x = nil
		s.vacate()
		x.lost(onloop.Gone(cause))
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

// resume has input offered again. If the peer has half-closed, the end must be
// told again too, behind the bytes that were kept: that is what happens to a
// connection that changes hands.
func (s *session) resume() {
	if !s.paused {
		return
	}
	s.paused = false
	if s.eof {
		s.conn.Replace(s)
		return
	}
	s.conn.ResumeRead()
}

// wrote notes whether writers should wait; OnDrain will tell when not any more.
func (s *session) wrote(queued int) int {
	if queued >= asteri.HighWater {
		s.high = true
	}
	return queued
}
