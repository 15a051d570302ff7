package http2

import "time"

// A stream's window begins small, since it is memory that a client may fill, and is
// doubled while the client sends as fast as the window lets it and the handler keeps
// up: when half of it is consumed in less than two round trips. That is how QUIC's
// implementations do it; a client that is slower than its path, or whose handler is
// slow, keeps the window that it has. All growth of a connection together is at most
// ConnectionWindow, and there is none while the buffer budget is used up.

// Credit gives back a part of the stream's window, many bytes at a time.
func (st *serverStream) Credit(n int) {
	if !st.receives() {
		return
	}
	st.credit += n
	if st.credit < st.window/2 {
		return
	}
	more := st.credit + st.grow()
	st.s.put(appendWindowUpdate(st.s.buffer(), st.id, more))
	st.recvWindow += more
	st.credit = 0
}

// grow makes the window larger if that is of use, and returns by how much.
func (st *serverStream) grow() int {
	s := st.s
	now := s.clock.now()
	took := time.Duration(now - st.windowSince)
	st.windowSince = now
	most := s.at.config.ConnectionWindow
	more := min(st.window, most-st.window, most-s.grown)
	if took >= 2*s.rtt || more <= 0 || s.at.tight() {
		return 0
	}
	st.window += more
	s.grown += more
	return more
}

// shrink takes back what the window of a stream that ends has grown by.
func (st *serverStream) shrink() {
	st.s.grown -= st.window - st.s.at.config.InitialWindow
	st.window = st.s.at.config.InitialWindow
}
