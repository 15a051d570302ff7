package http2

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// headerBlock is a header section that is being read: HEADERS and the
// CONTINUATION frames behind it.
type headerBlock struct {
	id        uint32
	head      *httpfield.RequestHead
	add       func(name, value string) // head.Add
	st        *serverStream            // of a request, or of its trailer
	trailer   *asteri.Header
	endStream bool
	fragments []byte // those so far, if there are several
	fault     error  // what the section causes once it is decoded
	unlike    bool   // it has changed the table, so that the same bytes mean something else now
}

// onHeaders begins a header section.
func (s *session) onHeaders(h frameHeader, p []byte) error {
	if h.stream == 0 {
		return connError{codeProtocol, "HEADERS on stream 0"}
	}
	p, err := h.unpad(p)
	if err != nil {
		return err
	}
	b := s.at.takeBlock()
	b.id, b.endStream = h.stream, h.has(flagEndStream)
	if h.has(flagPriority) {
		if len(p) < 5 {
			return connError{codeFrameSize, "frame is too short for its priority"}
		}
		if dependsOnItself(h.stream, p) {
			b.fault = streamError{h.stream, codeProtocol, "stream depends on itself"}
		}
		p = p[5:]
	}
	if err := s.beginBlock(b); err != nil {
		return err
	}
	s.block = b
	return s.addFragment(p, h.has(flagEndHeaders))
}

// dependsOnItself tells whether a priority in the way of RFC 7540 names the stream
// itself (section 5.3.1). Otherwise it is ignored.
func dependsOnItself(id uint32, p []byte) bool {
	return binary.BigEndian.Uint32(p)&streamMask == id
}

// beginBlock finds out what a header section is for. One without a stream is decoded
// for nothing but the dynamic table.
func (s *session) beginBlock(b *headerBlock) error {
	switch st := s.streams.Open[b.id]; {
	case b.id%2 == 0:
		return connError{codeProtocol, "stream of a client with an even number"} // RFC 9113 section 5.1.1
	case st != nil && !st.receives():
		b.fault = streamError{b.id, codeStreamClosed, "HEADERS behind the end of the request"}
	case st != nil:
		if !b.endStream && b.fault == nil {
			b.fault = streamError{b.id, codeProtocol, "trailer that does not end the request"} // section 8.1
		}
		b.st, b.trailer = st, new(asteri.Header)
		b.head.BeginTrailer(b.trailer, &s.at.Settings.Limits)
		return nil
	case b.id <= s.last:
		return s.beginLate(b)
	default:
		s.beginRequest(b)
		return nil
	}
	return nil
}

// beginLate judges a header section on a stream that is gone.
func (s *session) beginLate(b *headerBlock) error {
	switch s.gone.how(b.id) {
	case goneByUs: // the client has perhaps not heard of it
	case goneByClient:
		return connError{codeStreamClosed, "HEADERS on a closed stream"}
	default:
		return connError{codeProtocol, "stream with a number below that of another"}
	}
	return nil
}

// beginRequest opens a stream, unless there are too many or the session has
// announced its end.
func (s *session) beginRequest(b *headerBlock) {
	s.last = b.id
	switch {
	case s.goodbye.said: // the client will ask again elsewhere
		return
	case len(s.streams.Open)+s.streams.AtWork(s.at.Awake(), nil) >= s.at.config.MaxConcurrentStreams:
		b.fault = streamError{b.id, codeRefusedStream, "too many streams"}
		return
	}
	st := s.at.takeStream()
	st.open(s, b.id)
	st.x.Head(b.head)
	b.st = st
}

func (s *session) onContinuation(h frameHeader, p []byte) error {
	if s.block == nil {
		return connError{codeProtocol, "CONTINUATION without HEADERS"}
	}
	if err := s.charge(continuationCost, "too many CONTINUATION frames"); err != nil {
		return err
	}
	return s.addFragment(p, h.has(flagEndHeaders))
}

// addFragment takes a part of the section, and acts on it when it is complete.
func (s *session) addFragment(p []byte, last bool) error {
	b := s.block
	if len(b.fragments)+len(p) > 2*s.headLimit()+minMaxFrameSize {
		return errCalm("header section is too long")
	}
	if !last {
		b.fragments = append(b.fragments, p...)
		s.clock.awaitBlock()
		return nil
	}
	if len(b.fragments) > 0 {
		b.fragments = append(b.fragments, p...)
		p = b.fragments
	}
	s.block = nil
	err := s.decodeBlock(b, p)
	s.at.putBlock(b)
	return err
}

// headLimit returns the limit of a head, which is counted in int32.
func (s *session) headLimit() int { return min(s.at.Settings.Limits.Head, maxMaxFrameSize) }

// decodeBlock acts on a section that is complete.
func (s *session) decodeBlock(b *headerBlock, p []byte) error {
	if b.st != nil && b.trailer == nil && s.at.again.is(s.table, p, b.endStream) {
		b.head.Again(&s.at.again.head)
		return s.serveRequest(b, nil, b.fault)
	}
	if err := s.decode(b, p); err != nil {
		return err
	}
	switch {
	case b.st != nil && exchange.Expands(b.head, s.headLimit()):
		return errCalm("header section expands too much")
	case b.trailer != nil:
		return s.endTrailer(b)
	case b.st != nil:
		return s.endRequest(b, p)
	case b.fault != nil:
		return b.fault
	}
	return s.charge(1, "too many header sections on streams that are not served")
}

// decode reads a section. What it says may be kept for the next one only if the table
// stays what it is.
func (s *session) decode(b *headerBlock, p []byte) error {
	var emit func(name, value string)
	if b.st != nil {
		emit = b.add
	}
	err := s.decoder.decode(p, emit)
	if s.decoder.changed {
		s.decoder.changed = false
		s.table = s.at.nameTable()
		b.unlike = true
	}
	return err
}

// endRequest judges the head, and serves the request.
func (s *session) endRequest(b *headerBlock, p []byte) error {
	if b.fault != nil {
		return s.serveRequest(b, nil, b.fault)
	}
	refusal, err := b.head.End(b.endStream, true)
	if err == nil && !b.unlike {
		s.at.again.note(s.table, p, b)
	}
	return s.serveRequest(b, refusal, err)
}

// serveRequest serves the request, or ends its stream if it is malformed.
func (s *session) serveRequest(b *headerBlock, refusal *asteri.StatusError, err error) error {
	st := b.st
	if err != nil {
		s.at.Observe(asteri.Record{Peer: &s.peer, Err: err})
		s.at.putStream(st)
		var one streamError
		if errors.As(err, &one) {
			return one
		}
		return streamError{b.id, codeProtocol, err.Error()}
	}
	s.prioritizeNew(st, &b.head.Facts)
	if b.endStream {
		st.state = streamHalfRemote
	}
	s.idle.Put(earnedByRequest)
	if s.stopping {
		st.x.Shutdown()
	}
	if refusal == nil && s.conn.Heavy() {
		refusal = httpfield.ErrMemory
	}
	st.x.HeadDone(b.head)
	st.x.Serve(b.endStream, refusal)
	// Most streams are done by now, and never enter the table.
	switch {
	case st.state == streamClosed:
		s.recycle(st)
	case s.state == stateClosed:
		st.end(lost, codeNo, errConnection)
	default:
		s.streams.Open[st.id] = st
		if st.x != nil {
			st.x.Occupy(exchange.Footprint)
		}
		s.clock.watchHandlers(st.party.CheckWithin())
	}
	return nil
}

// errConnection is the cause for a stream whose connection failed while its handler
// was being called.
var errConnection = fmt.Errorf("%w: HTTP/2 connection failed", asteri.ErrClientGone)

// recycle uses a stream again that is gone and that nobody has kept.
func (s *session) recycle(st *serverStream) {
	if st.x != nil && st.x.Reusable() {
		s.at.putStream(st)
	}
}

// prioritizeNew gives a new stream its priority, RFC 9218 section 5.
func (s *session) prioritizeNew(st *serverStream, facts *httpfield.RequestFacts) {
	var said bool
	st.priority, said = s.streams.Priority(st.id, facts)
	if !said && !s.priorities {
		st.priority.Incremental = true
	}
}

// endTrailer ends a request with its trailer section.
func (s *session) endTrailer(b *headerBlock) error {
	st := b.st
	if st.state == streamClosed {
		return nil
	}
	err := b.fault
	var refusal *asteri.StatusError
	if err == nil {
		refusal, err = b.head.EndTrailer()
	}
	var one streamError
	switch {
	case errors.As(err, &one):
		return one
	case err != nil:
		return streamError{b.id, codeProtocol, err.Error()}
	case refusal != nil:
		return streamError{b.id, codeEnhanceYourCalm, refusal.Reason}
	}
	return s.endInput(st, b.trailer)
}

// endInput passes on that the client has sent all.
func (s *session) endInput(st *serverStream, trailer *asteri.Header) error {
	if err := st.party.ReceiveEnd(trailer); err != nil {
		return streamError{st.id, codeProtocol, err.Error()}
	}
	if st.state != streamClosed {
		st.inputEnded()
	}
	return nil
}
