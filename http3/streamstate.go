package http3

// streamState is how far a stream has come. This is all that moves it:
//
//	in            by                                          becomes
//	open          all was given to QUIC                       sent
//	open, sent    Reset, of an exchange or a tunnel           closed: resetByUs
//	open, sent    a reset by the client, a fault of its,      closed: lost, and the party
//	              a stall, the end of the connection          cancelled
//
// The session forgets a stream (leave) when it is sent or closed and neither its handler
// is being called for the first time nor a goroutine at work on it. While the handler of
// one whose exchange was cancelled is at work, it counts as open (exchange.Streams).
type streamState uint8

const (
	streamOpen   streamState = iota
	streamSent               // all was given to QUIC; the client may still be sending
	streamClosed             // in both directions
)

// ending is how a stream is closed.
type ending uint8

const (
	resetByUs ending = iota
	lost
)

// end closes the stream in both directions and frees what it has queued. The party of one
// that is lost is cancelled.
func (st *serverStream) end(how ending, cause error) {
	if st.state == streamClosed || how == lost && st.left {
		return
	}
	st.cancel(resetCode(cause))
	st.state = streamClosed
	st.window.close()
	st.dropOutput()
	st.stopWatching()
	defer st.settle() // also behind a handler that ends the goroutine
	if how == lost {
		st.party.Cancel(cause)
	}
}

// settle has the session forget the stream once nothing happens on it any more. Its
// exchange may be about to end just now, and its handler may be at work still.
func (st *serverStream) settle() {
	if st.left || st.serving || st.reading || st.out.writing > 0 || st.state == streamOpen {
		return
	}
	st.left = true
	st.stopWatching()
	st.waiting() // nothing
	st.session.leave(st)
}

// Reset ends the stream for a reason that lies with the handler.
func (st *serverStream) Reset(cause error) { st.end(resetByUs, cause) }
