package http2

import (
	"encoding/binary"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// onData passes content on to its exchange.
func (s *session) onData(h frameHeader, p []byte) error {
	if h.stream == 0 {
		return connError{codeProtocol, "DATA on stream 0"}
	}
	content, err := h.unpad(p)
	if err != nil {
		return err
	}
	if s.recvWindow -= h.length; s.recvWindow < 0 {
		return connError{codeFlowControl, "more content than the window of the connection"}
	}
	s.giveBack(h.length)
	if err := s.payForData(len(content)); err != nil {
		return err
	}
	st := s.streams.Open[h.stream]
	if st == nil {
		return s.dataOnNone(h.stream)
	}
	st.recvWindow -= h.length
	switch {
	case !st.receives():
		return streamError{st.id, codeStreamClosed, "DATA behind the end of the request"}
	case st.recvWindow < 0:
		return streamError{st.id, codeFlowControl, "more content than the window of the stream"}
	}
	if st.discardBy != 0 && st.recvWindow < s.at.config.InitialWindow/2 {
		st.Reset(nil)
		return nil
	}
	if padding := h.length - len(content); padding > 0 {
		st.Credit(padding)
	}
	if err := st.party.Receive(content); err != nil {
		return streamError{st.id, codeProtocol, err.Error()}
	}
	if h.has(flagEndStream) && st.state != streamClosed {
		return s.endInput(st, nil)
	}
	return nil
}

// payForData has frames paid for that bring nothing. Small ones are free: messages
// in a tunnel are mostly small.
func (s *session) payForData(n int) error {
	switch {
	case n == 0:
		return s.charge(1, "too many empty DATA frames")
	case n >= smallData:
		s.idle.Put(earnedByData)
	}
	return nil
}

// dataOnNone judges content for a stream that is not open.
func (s *session) dataOnNone(id uint32) error {
	switch {
	case s.idleStream(id):
		return connError{codeProtocol, "DATA on a stream that was not begun"}
	case s.gone.how(id) == goneByUs:
		return nil // the client has perhaps not heard of it
	}
	return streamError{id, codeStreamClosed, "DATA on a closed stream"}
}

// idleStream tells whether nobody has begun the stream yet.
func (s *session) idleStream(id uint32) bool { return id > s.last || id%2 == 0 }

// giveBack opens the window of the connection again for n bytes that have come,
// many at a time.
func (s *session) giveBack(n int) {
	s.credit += n
	if s.credit >= s.at.config.ConnectionWindow/2 {
		s.put(appendWindowUpdate(s.buffer(), 0, s.credit))
		s.recvWindow += s.credit
		s.credit = 0
	}
}

// onWindowUpdate lets content go that waits for a window.
func (s *session) onWindowUpdate(h frameHeader, p []byte) error {
	if len(p) != 4 {
		return connError{codeFrameSize, "WINDOW_UPDATE is not of 4 bytes"}
	}
	if err := s.charge(1, "too many WINDOW_UPDATE frames"); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(p) & maxWindow)
	if h.stream == 0 {
		switch s.sendWindow += n; {
		case n == 0:
			return connError{codeProtocol, "WINDOW_UPDATE by nothing"}
		case s.sendWindow > maxWindow:
			return connError{codeFlowControl, "window of the connection is too large"}
		}
		s.clock.connectionMoves()
		return nil // OnData pumps at its end
	}
	st := s.streams.Open[h.stream]
	switch {
	case st == nil && s.idleStream(h.stream):
		return connError{codeProtocol, "WINDOW_UPDATE on a stream that was not begun"}
	case st == nil:
		return nil
	case n == 0:
		return streamError{st.id, codeProtocol, "WINDOW_UPDATE by nothing"}
	case st.sendWindow+n > maxWindow:
		return streamError{st.id, codeFlowControl, "window of the stream is too large"}
	}
	st.sendWindow += n
	st.unstall()
	st.makeReady()
	return nil
}

// onRSTStream ends a stream that the client wants no more of.
func (s *session) onRSTStream(h frameHeader, p []byte) error {
	switch {
	case h.stream == 0 || s.idleStream(h.stream):
		return connError{codeProtocol, "RST_STREAM on a stream that was not begun"}
	case len(p) != 4:
		return connError{codeFrameSize, "RST_STREAM is not of 4 bytes"}
	}
	st := s.streams.Open[h.stream]
	if st == nil {
		return s.charge(1, "too many RST_STREAM frames")
	}
	st.end(resetByClient, codeNo, asteri.ErrClientGone)
	if !s.resets.Take(1, s.at.Home.Now()) {
		return errCalm("too many streams are reset")
	}
	return nil
}

// onPriority checks a priority of RFC 7540, which has no effect.
func (s *session) onPriority(h frameHeader, p []byte) error {
	switch {
	case h.stream == 0:
		return connError{codeProtocol, "PRIORITY on stream 0"}
	case len(p) != 5:
		return s.faultOf(h.stream, codeFrameSize, "PRIORITY is not of 5 bytes")
	case dependsOnItself(h.stream, p):
		return s.faultOf(h.stream, codeProtocol, "stream depends on itself")
	}
	return s.charge(1, "too many PRIORITY frames")
}

// faultOf is the error of one stream, or of the connection if there is no such
// stream to reset.
func (s *session) faultOf(id uint32, code errorCode, reason string) error {
	if s.idleStream(id) {
		return connError{code, reason}
	}
	return streamError{id, code, reason}
}

// onPriorityUpdate changes the priority of a stream, RFC 9218 section 7.1.
func (s *session) onPriorityUpdate(h frameHeader, p []byte) error {
	switch {
	case h.stream != 0:
		return connError{codeProtocol, "PRIORITY_UPDATE on a stream"}
	case len(p) < 4:
		return connError{codeFrameSize, "PRIORITY_UPDATE is shorter than 4 bytes"}
	}
	if err := s.charge(1, "too many PRIORITY_UPDATE frames"); err != nil {
		return err
	}
	id := binary.BigEndian.Uint32(p) & streamMask
	s.priorities = true
	to := httpfield.ParsePriority(p[4:], httpfield.DefaultPriority)
	switch st := s.streams.Open[id]; {
	case id == 0:
		return connError{codeProtocol, "PRIORITY_UPDATE of stream 0"}
	case st != nil:
		st.prioritize(to)
	case id > s.last && id%2 == 1:
		s.streams.Prioritize(id, to)
	}
	return nil
}

// onPing answers a PING, or takes the answer to ours.
func (s *session) onPing(h frameHeader, p []byte) error {
	switch {
	case h.stream != 0:
		return connError{codeProtocol, "PING on a stream"}
	case len(p) != 8:
		return connError{codeFrameSize, "PING is not of 8 bytes"}
	case h.has(flagAck):
		if string(p) == goodbyePing {
			s.sayGoodbye()
		}
		return nil
	}
	if err := s.charge(1, "too many PING frames"); err != nil {
		return err
	}
	s.put(appendPing(s.buffer(), flagAck, p))
	return nil
}

// onGoAway notes that the client begins no further stream.
func (s *session) onGoAway(h frameHeader, p []byte) error {
	switch {
	case h.stream != 0:
		return connError{codeProtocol, "GOAWAY on a stream"}
	case len(p) < 8:
		return connError{codeFrameSize, "GOAWAY is shorter than 8 bytes"}
	}
	s.goodbye.byClient = true
	return s.charge(1, "too many GOAWAY frames")
}

// onSettings takes over what the client sets.
func (s *session) onSettings(h frameHeader, p []byte) error {
	switch {
	case h.stream != 0:
		return connError{codeProtocol, "SETTINGS on a stream"}
	case h.has(flagAck) && len(p) > 0, len(p)%6 != 0:
		return connError{codeFrameSize, "SETTINGS of a wrong size"}
	case h.has(flagAck):
		s.clock.settingsDone()
		return nil
	}
	first := !s.set
	s.set = true
	if err := s.charge(settingsCost, "too many SETTINGS frames"); err != nil {
		return err
	}
	for ; len(p) > 0; p = p[6:] {
		if err := s.setting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:]), first); err != nil {
			return err
		}
	}
	s.put(appendFrameHeader(s.buffer(), 0, frameSettings, flagAck, 0))
	return nil
}

func (s *session) setting(id uint16, v uint32, first bool) error {
	switch id {
	case settingHeaderTableSize:
		s.encoder.setLimit(v)
	case settingEnablePush, settingEnableConnect:
		if v > 1 {
			return connError{codeProtocol, "setting is neither 0 nor 1"}
		}
	case settingInitialWindowSize:
		if v > maxWindow {
			return connError{codeFlowControl, "initial window is too large"}
		}
		return s.setInitialWindow(int(v))
	case settingMaxFrameSize:
		if v < minMaxFrameSize || v > maxMaxFrameSize {
			return connError{codeProtocol, "frame size is out of range"}
		}
		s.maxFrame = int(min(v, maxSentFrame))
	case settingNoOldPriorities:
		if v > 1 || !first && (v == 1) != s.noOldPriorities {
			return connError{codeProtocol, "setting is neither 0 nor 1, or has changed"} // RFC 9218 section 2.1
		}
		s.noOldPriorities = v == 1
		s.priorities = s.priorities || s.noOldPriorities
	}
	return nil
}

// maxSentFrame bounds DATA frames though the client takes larger ones, so that
// what is urgent need not wait long.
const maxSentFrame = 32 << 10

// setInitialWindow changes the windows of all streams, RFC 9113 section 6.9.2.
func (s *session) setInitialWindow(n int) error {
	by := n - s.initialWindow
	s.initialWindow = n
	for _, st := range s.streams.Open {
		if st.sendWindow += by; st.sendWindow > maxWindow {
			return connError{codeFlowControl, "window of a stream is too large"}
		}
		switch {
		case st.ready && st.sendWindow <= 0 && st.queue.Len() > 0:
			s.schedule.remove(st)
			s.clock.stalls(st)
		default:
			st.unstall()
			st.makeReady()
		}
	}
	return nil
}
