package http2

// streamState is that of RFC 9113 section 5.1. This is all that moves it:
//
//	in          by                                     becomes
//	open        the client has sent all                half-closed (remote)
//	open        all was sent                           half-closed (local), where what nobody
//	                                                   wants may come for a while
//	half-closed the other side has sent all, too       closed: done
//	any         Reset, of an exchange or a tunnel;     closed: resetByUs
//	            that while is over
//	any         a fault of the client's, one that      closed: resetByUs, and the party cancelled
//	            does not open its window
//	any         RST_STREAM                             closed: resetByClient, and the party cancelled
//	any         the connection is gone                 closed: lost, and the party cancelled
//
// A stream is in the session's table until it is closed. While the handler of one whose
// exchange was cancelled is at work, it counts as open (exchange.Streams).
type streamState uint8

const (
	streamOpen       streamState = iota
	streamHalfRemote             // the client has sent all
	streamHalfLocal              // all was sent to it
	streamClosed
)

// ending is how a stream is closed.
type ending uint8

const (
	done ending = iota
	resetByUs
	resetByClient
	lost
)

// receives tells whether the client may still be sending.
func (st *serverStream) receives() bool {
	return st.state == streamOpen || st.state == streamHalfLocal
}

// allSent is called when the last frame of the response is on its way.
func (st *serverStream) allSent() {
	if st.state == streamHalfRemote {
		st.end(done, codeNo, nil)
		return
	}
	st.state = streamHalfLocal
	if st.party.Over() {
		st.discard()
	} // else Done follows
}

// inputEnded is called when the client has sent all.
func (st *serverStream) inputEnded() {
	st.shrink()
	if st.state == streamHalfLocal {
		st.end(done, codeNo, nil)
		return
	}
	st.state = streamHalfRemote
}

// halfClosed is called when the client sends nothing more on its connection.
func (st *serverStream) halfClosed() {
	st.party.HalfClosed()
	if st.state != streamClosed {
		st.inputEnded()
	}
}

// end closes the stream and frees what it has queued. code is what the client is told
// by a reset, cause why the party is cancelled, nil if it is not.
func (st *serverStream) end(how ending, code errorCode, cause error) {
	if st.state == streamClosed {
		return
	}
	s := st.s
	if how == resetByUs {
		s.put(appendRSTStream(s.buffer(), st.id, code))
	}
	st.state = streamClosed
	st.shrink()
	s.schedule.remove(st)
	st.queue.Drop(s.at.Local)
	st.waiting()
	if how != lost {
		s.forget(st, how == resetByUs)
	}
	if cause != nil {
		if how != lost && st.x != nil && !st.x.Over() {
			s.streams.Left(st, st.x, s.at.Awake())
		}
		st.party.Cancel(cause)
	}
}

// forget takes a stream out of the table. ours says that it was reset by us, so that
// frames may still come that the client sent before it heard of that.
func (s *session) forget(st *serverStream, ours bool) {
	s.gone.add(st.id, ours)
	if s.streams.Open[st.id] == st {
		delete(s.streams.Open, st.id)
		st.vacate()
	}
	s.worked = true
	if !s.inData { // which settles at its end
		s.settle()
	}
}

// vacate takes back what was counted for the request.
func (st *serverStream) vacate() {
	if st.x != nil {
		st.x.Vacate()
	}
}
