package http2

import (
	"errors"
	"time"

	"github.com/asteri/asteri-loop"
)

// goodbye is how a session ends that has nothing to complain about.
type goodbye struct {
	said     bool   // the last GOAWAY was sent
	last     uint32 // and the last stream that is served
	byClient bool   // the client has said that it is done
}

// goodbyePing is the PING behind the first GOAWAY: when it is answered, so are all
// requests that the client sent before it had heard.
const goodbyePing = "goodbye!"

// goodbyeTime is how long that answer may take.
const goodbyeTime = time.Second

// OnShutdown announces the end, RFC 9113 section 6.8: a first GOAWAY says that
// there will be one, so that no request gets lost that is on its way, and a second
// what is served. Streams that are open are finished; tunnels are told.
func (s *session) OnShutdown() {
	if s.state == stateClosed || s.stopping {
		return
	}
	s.stopping = true
	b := appendGoAway(s.buffer(), streamMask, codeNo, "")
	s.put(appendPing(b, 0, []byte(goodbyePing)))
	s.clock.goodbye = s.clock.in(goodbyeTime)
	s.clock.watch(s.clock.goodbye)
	s.streams.Each(func(st *serverStream) { st.party.Shutdown() })
	s.settle()
}

// sayGoodbye says which streams are served.
func (s *session) sayGoodbye() {
	if !s.stopping || s.goodbye.said {
		return
	}
	s.clock.goodbye = 0
	s.goodbye.said = true
	s.goodbye.last = s.last
	s.put(appendGoAway(s.buffer(), s.last, codeNo, ""))
	s.settle()
}

// settle is called when something was done. It closes the connection if its last
// stream is gone and there will be no further one.
func (s *session) settle() {
	if s.state == stateClosed || len(s.streams.Open) > 0 {
		return
	}
	if s.worked {
		s.worked = false
		s.clock.becomeIdle()
	}
	switch {
	case s.goodbye.said, s.goodbye.byClient && s.block == nil, s.eof && !s.paused:
		if !s.goodbye.said {
			s.put(appendGoAway(s.buffer(), s.last, codeNo, ""))
		}
		s.close(!s.eof)
	}
}

// resetCode is how a stream ends whose response has begun and cannot be completed.
func resetCode(cause error) errorCode {
	switch {
	case cause == nil:
		return codeNo
	case errors.Is(cause, asteri.ErrStopping):
		return codeCancel
	}
	return codeInternal
}
