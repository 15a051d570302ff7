package ws

// Follower follows the frames that pass in one direction without reading what is
// in them, so that whoever passes them on knows where one ends and the next may
// begin. The zero value is at the beginning of a connection.
type Follower struct {
	head    [MaxHeader]byte
	held    int   // bytes of a header that is not complete
	payload int64 // bytes of the present frame that are still to come
	final   bool  // the present frame is a Close, behind which nothing may follow
	lost    bool  // what passes is not RFC 6455
}

// Next moves to the end of the present frame, or of p, and returns how many bytes
// that is. It does not return 0 unless p is empty.
func (f *Follower) Next(p []byte) (n int) {
	if f.lost {
		return len(p)
	}
	if f.payload == 0 {
		if n = f.begin(p); f.payload == 0 {
			return n
		}
	}
	rest := min(int64(len(p)-n), f.payload)
	f.payload -= rest
	return n + int(rest)
}

// begin takes the bytes of a header, and returns how many these were.
func (f *Follower) begin(p []byte) (n int) {
	for f.held < f.header() {
		if n == len(p) {
			return n
		}
		taken := copy(f.head[f.held:f.header()], p[n:])
		f.held += taken
		n += taken
	}
	h, err := parseHeader(f.head[:f.held])
	f.held = 0
	if err != nil || h.length < 0 {
		f.lost = true
		return len(p)
	}
	f.payload = h.length
	f.final = f.final || h.op == Close
	return n
}

// header returns how long the header is, as far as that is known.
func (f *Follower) header() int {
	if f.held < 2 {
		return 2
	}
	return headerSize(f.head[1])
}

// Between tells whether a control frame may be put in here: behind one frame and
// before the next, if what has passed so far is a WebSocket that is not closed.
func (f *Follower) Between() bool {
	return !f.lost && !f.final && f.held == 0 && f.payload == 0
}
