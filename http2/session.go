package http2

import (
	"errors"
	"fmt"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/tokenbucket"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/onloop"
	"github.com/asteri/asteri-loop/loop"
)

// session is one connection.
type session struct {
	conn loop.Conn
	at   *local
	peer asteri.Peer

	streams  exchange.Streams[uint32, *serverStream]
	last     uint32 // the highest id that the client has used
	gone     goneStreams
	block    *headerBlock // a header section that is not complete
	decoder  decoder
	table    uint64 // names the content of its table, on this loop
	encoder  encoder
	schedule schedule

	// What the client has set.
	initialWindow   int
	maxFrame        int
	noOldPriorities bool // SETTINGS_NO_RFC7540_PRIORITIES
	priorities      bool // it knows those of RFC 9218, by this or another sign

	sendWindow int           // content that the client takes on the connection
	recvWindow int           // content that it may send
	credit     int           // received and not yet given back to recvWindow
	grown      int           // by how much the windows of streams are larger than they began
	rtt        time.Duration // of a round trip, from our SETTINGS to their acknowledgement; 0: not known yet

	resets tokenbucket.Bucket
	idle   tokenbucket.Bucket // of frames that ask for nothing

	clock    clock
	state    sessionState
	greeted  bool // the client's preface has come
	set      bool // and its first SETTINGS
	worked   bool // a stream has ended since the session last settled
	inData   bool // within OnData, which sends what is put together at its end
	pumping  bool
	paused   bool
	eof      bool // the client sends no more
	eofTold  bool // the streams know
	stopping bool // the server drains
	goodbye  goodbye
}

// sessionState follows a connection to its end.
type sessionState uint8

const (
	stateOpen   sessionState = iota
	stateClosed              // the session has let go of the connection
)

var (
	_ loop.Shedder  = (*session)(nil)
	_ loop.Watchful = (*session)(nil)
)

// The send queue of a connection is kept between these marks, in bytes, so that
// what is urgent does not wait behind what is not. pauseMark is where a client is
// no longer read that makes us send more and takes nothing.
const (
	sendHigh  = 64 << 10
	sendLow   = 16 << 10
	pauseMark = 256 << 10
)

func newSession(c loop.Conn, at *local) *session {
	s := &session{
		conn: c, at: at,
		initialWindow: defaultWindow,
		maxFrame:      minMaxFrameSize,
		sendWindow:    defaultWindow,
		recvWindow:    at.config.ConnectionWindow,
	}
	s.peer = onloop.Peer(c.Info())
	s.streams.Open = make(map[uint32]*serverStream)
	s.decoder.init()
	s.table = at.nameTable()
	s.encoder.init()
	s.resets = tokenbucket.New(tokenbucket.ForResets(at.config.MaxConcurrentStreams), at.Home.Now())
	s.idle = tokenbucket.New(idleFrames, at.Home.Now())
	c.SetWaterMarks(sendHigh, sendLow)
	c.Write(at.hello)
	s.clock.start(s)
	return s
}

// OnData works through the whole frames in in.
func (s *session) OnData(in []byte) (consumed int, err error) {
	s.inData = true
	s.at.batch = s.at.batch[:0]
	if !s.greeted {
		consumed = s.readPreface(in)
	}
	for before := s.streams.Backlog(); s.state == stateOpen && s.greeted && !s.paused; {
		if s.streams.Backlog()-before > exchange.MaxBacklog {
			s.yield()
			break
		}
		n := s.readFrame(in[consumed:])
		if n == 0 {
			break
		}
		consumed += n
	}
	s.pump()
	s.flush()
	s.inData = false
	if s.state == stateClosed {
		return len(in), nil
	}
	s.settle()
	return consumed, nil
}

// yield lets other connections be served before the rest of the input, of a client that
// asks for more than its windows admit.
func (s *session) yield() {
	s.paused = true
	s.conn.PauseRead()
	s.conn.Post(s.resume)
}

// resume reads on, if the client takes what it has us send.
func (s *session) resume() {
	if s.state == stateClosed || !s.paused || s.conn.Queued() >= pauseMark {
		return
	}
	s.paused = false
	s.conn.ResumeRead()
}

// readPreface reads what every connection begins with.
func (s *session) readPreface(in []byte) int {
	n := min(len(in), len(preface))
	switch {
	case string(in[:n]) != preface[:n]:
		s.fail(connError{codeProtocol, "connection does not begin with the preface"})
		return 0
	case n < len(preface):
		return 0
	}
	s.greeted = true
	return n
}

// readFrame handles the frame at the beginning of p and returns its length, 0 if
// it is not complete.
func (s *session) readFrame(p []byte) int {
	if len(p) < frameHeaderLen {
		return 0
	}
	h := parseFrameHeader(p)
	if err := s.admit(h); err != nil {
		s.fail(err)
		return 0
	}
	end := frameHeaderLen + h.length
	if len(p) < end {
		return 0
	}
	if err := s.handle(h, p[frameHeaderLen:end]); err != nil {
		s.failed(err)
	}
	return end
}

// admit judges a frame by its head, before there is more of it.
func (s *session) admit(h frameHeader) error {
	switch {
	case h.length > s.at.config.MaxFrameSize:
		return connError{codeFrameSize, "frame is too long"}
	case !s.set && (h.kind != frameSettings || h.has(flagAck)):
		return connError{codeProtocol, "first frame is not SETTINGS"} // RFC 9113 section 3.4
	case s.block != nil && (h.kind != frameContinuation || h.stream != s.block.id):
		return connError{codeProtocol, "header section is interrupted"} // section 4.3
	}
	return nil
}

// handle passes a frame on by its type. Types that are not known are ignored.
func (s *session) handle(h frameHeader, p []byte) error {
	switch h.kind {
	case frameData:
		return s.onData(h, p)
	case frameHeaders:
		return s.onHeaders(h, p)
	case framePriority:
		return s.onPriority(h, p)
	case frameRSTStream:
		return s.onRSTStream(h, p)
	case frameSettings:
		return s.onSettings(h, p)
	case framePushPromise:
		return connError{codeProtocol, "PUSH_PROMISE from a client"}
	case framePing:
		return s.onPing(h, p)
	case frameGoAway:
		return s.onGoAway(h, p)
	case frameWindowUpdate:
		return s.onWindowUpdate(h, p)
	case frameContinuation:
		return s.onContinuation(h, p)
	case framePriorityUpdate:
		return s.onPriorityUpdate(h, p)
	}
	return s.charge(1, "frames of unknown types")
}

// failed ends what an error says: the connection, or one stream.
func (s *session) failed(err error) {
	var one streamError
	if !errors.As(err, &one) {
		s.fail(err)
		return
	}
	if st := s.streams.Open[one.stream]; st != nil {
		st.end(resetByUs, one.code, one)
	} else {
		s.put(appendRSTStream(s.buffer(), one.stream, one.code))
		s.gone.add(one.stream, true)
	}
	if !s.resets.Take(1, s.at.Home.Now()) {
		s.fail(errCalm("too many streams end with errors"))
	}
}

// fail ends the connection with GOAWAY.
func (s *session) fail(err error) {
	if s.state == stateClosed {
		return
	}
	var end connError
	if !errors.As(err, &end) {
		end = connError{codeInternal, err.Error()}
	}
	s.at.Settings.Logger.Debug("HTTP/2 connection fails", "remote", s.peer.Remote, "error", err)
	s.put(appendGoAway(s.buffer(), s.last, end.code, end.reason))
	s.close(true)
	s.loseStreams(fmt.Errorf("%w: %w", asteri.ErrClientGone, err))
}

// close lets go of the connection once all is sent. more says that the client may
// still be sending.
func (s *session) close(more bool) {
	s.flush()
	s.state = stateClosed
	s.block = nil
	s.conn.CloseWhenFlushed(more && !s.eof)
}

// loseStreams ends all streams for lack of a client.
func (s *session) loseStreams(cause error) {
	s.streams.Each(func(st *serverStream) {
		delete(s.streams.Open, st.id)
		defer st.vacate()
		st.end(lost, codeNo, cause)
	})
}

// OnEOF notes a half-close. Requests in flight are still answered.
func (s *session) OnEOF() {
	s.eof = true
	if s.state == stateClosed || s.paused { // in which case it is told again
		return
	}
	if !s.eofTold {
		s.eofTold = true
		s.clock.noMoreWindows()
		s.streams.Each((*serverStream).halfClosed)
	}
	s.settle()
}

// OnDrain sends what waits for room in the queue, and reads on.
func (s *session) OnDrain() {
	if s.state == stateClosed {
		return
	}
	s.pump()
	s.resume()
}

// OnShed ends the connection with GOAWAY: its client holds more than there is memory
// for, or is idle where there is no room.
func (s *session) OnShed() {
	if s.Idle() {
		s.fail(connError{codeNo, "no room for idle connections"})
		return
	}
	s.fail(errCalm("the server is short of memory"))
}

// Idle tells whether no stream is open.
func (s *session) Idle() bool { return s.streams.Idle() && s.block == nil }

// Watchful implements loop.Watchful: clients are timed by what they owe, and handlers
// by who calls them.
func (s *session) Watchful() {}

// OnClose ends what the connection's end leaves without a client.
func (s *session) OnClose(cause error) {
	s.state = stateClosed
	s.block = nil
	s.loseStreams(onloop.Gone(cause))
}

// buffer returns where to append frames, which put takes: within OnData a batch,
// which is sent at its end.
func (s *session) buffer() []byte {
	if s.inData {
		return s.at.batch
	}
	return s.at.scratch[:0]
}

func (s *session) put(b []byte) {
	if len(b) == 0 {
		return
	}
	if s.inData {
		s.at.batch = b
		if len(b) >= sendHigh/2 {
			s.flush()
		}
		return
	}
	s.conn.Write(b)
	if cap(b) <= maxSpareBytes {
		s.at.scratch = b
	}
}

// flush queues the batch. A client that has us send and does not take it is not
// read until it does.
func (s *session) flush() {
	if !s.inData || len(s.at.batch) == 0 {
		return
	}
	queued := s.conn.Write(s.at.batch)
	s.at.batch = s.at.batch[:0]
	if queued >= pauseMark && !s.paused {
		s.paused = true
		s.conn.PauseRead()
	}
}

// queued returns how many bytes are on their way to the client.
func (s *session) queued() int {
	n := s.conn.Queued()
	if s.inData {
		n += len(s.at.batch)
	}
	return n
}
