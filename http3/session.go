package http3

import (
	"context"
	"errors"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/purse"
	"github.com/asteri/asteri-loop/internal/sched"
)

// session is one connection. Its goroutines take streams; all state below home
// belongs to the home's goroutine.
type session struct {
	server *Server
	conn   *quic.Conn
	at     *local
	peer   asteri.Peer
	early  bool // the client has sent data before the handshake was complete

	control *quic.SendStream // ours

	// home
	streams  map[quic.StreamID]*serverStream
	next     uint64 // the lowest id that no request has had
	loose    []loose
	waiting  []earlyPriority
	clock    clock
	goodbye  goodbye
	lost     error // the connection is gone
	stopping bool
}

// earlyPriority is a PRIORITY_UPDATE for a request that has not come yet.
type earlyPriority struct {
	id       quic.StreamID
	priority httpfield.Priority
}

// maxWaiting bounds how many of these are kept.
const maxWaiting = 32

func newSession(s *Server, conn *quic.Conn, at *local) *session {
	state := conn.ConnectionState()
	n := &session{
		server: s, conn: conn, at: at,
		early:   state.Used0RTT,
		streams: make(map[quic.StreamID]*serverStream),
	}
	n.peer = asteri.Peer{
		Remote:  addrPort(conn.RemoteAddr()),
		Local:   addrPort(conn.LocalAddr()),
		Network: "udp",
		TLS:     &state.TLS,
	}
	return n
}

// run serves the connection until it is over.
func (n *session) run() {
	sched.Begin() // the loops leave QUIC's goroutines time
	defer sched.End()
	ctx := n.conn.Context()
	if err := n.greet(); err != nil {
		n.fail(err)
	}
	n.at.Home.Post(n.becomeIdle)
	go n.acceptUni(ctx)
	for {
		str, err := n.conn.AcceptStream(ctx)
		if err != nil {
			break
		}
		st := takeStream()
		st.open(n, str)
		go st.read()
	}
	<-ctx.Done()
	cause := context.Cause(ctx)
	n.at.Home.Post(func() { n.lose(cause) })
}

// greet opens our control stream, whose SETTINGS come first.
func (n *session) greet() error {
	str, err := n.conn.OpenUniStream()
	if err != nil {
		return err
	}
	n.control = str
	_, err = str.Write(appendHello(nil, n.server.settings.Limits.Head))
	return err
}

// inEarlyData tells whether what arrives now may be a replay.
func (n *session) inEarlyData() bool {
	if !n.early {
		return false
	}
	select {
	case <-n.conn.HandshakeComplete():
		return false
	default:
		return true
	}
}

// fail ends the connection for an error. It may be called from any goroutine.
func (n *session) fail(err error) {
	var end connError
	if !errors.As(err, &end) {
		end = connError{codeInternal, err.Error()}
	}
	n.server.settings.Logger.Debug("HTTP/3 connection fails", "remote", n.peer.Remote, "error", err)
	_ = n.conn.CloseWithError(quic.ApplicationErrorCode(end.code), end.reason)
}

// cut ends the connection without waiting for anything. It may be called from any
// goroutine.
func (n *session) cut() {
	n.at.Home.Post(func() { n.lose(asteri.ErrStopping) })
	_ = n.conn.CloseWithError(quic.ApplicationErrorCode(codeNo), "")
}

// lose ends all streams for lack of a client.
func (n *session) lose(cause error) {
	if n.lost != nil {
		return
	}
	n.lost = goneCause(cause)
	n.clock.stop()
	for _, st := range n.snapshot() {
		st.lose(n.lost)
	}
}

// snapshot returns the open streams, for calls that may change which there are.
func (n *session) snapshot() []*serverStream {
	all := make([]*serverStream, 0, len(n.streams))
	for _, st := range n.streams {
		all = append(all, st)
	}
	return all
}

// enter takes a new request in. It returns an error if it is not to be served.
func (n *session) enter(st *serverStream) error {
	id := uint64(st.id)
	switch {
	case n.lost != nil:
		return n.lost
	case n.goodbye.said && id >= n.goodbye.next:
		return streamError{codeRequestRejected, "the server is stopping"}
	}
	n.next = max(n.next, id+4)
	n.streams[st.id] = st
	st.setPriority(n.priorityOf(st))
	return nil
}

// priorityOf returns what the client has said of a request's urgency: a frame wins
// over the field, RFC 9218 section 7.
func (n *session) priorityOf(st *serverStream) (httpfield.Priority, bool) {
	for i, w := range n.waiting {
		if w.id == st.id {
			n.waiting = append(n.waiting[:i], n.waiting[i+1:]...)
			return w.priority, true
		}
	}
	return st.head.Facts.Priority, st.head.Facts.Prioritized
}

// leave forgets a stream that is done. The client may open another in its place, if
// no handler is at work on it any more.
func (n *session) leave(st *serverStream) {
	delete(n.streams, st.id)
	if st.abandoned && !st.LetGo() {
		n.loose = append(n.loose, loose{st, n.at.Home.Now().Add(looseTime)})
		n.clock.in(n, looseCheck)
	} else {
		n.release(st)
	}
	if len(n.streams) == 0 {
		n.becomeIdle()
	}
}

func (n *session) release(st *serverStream) {
	st.str.ReleaseStreamCredit()
	if !st.unread && st.Reusable() {
		streams.Put(st)
	}
}

// loose is a stream that is gone while its handler is at work. It counts as open, for
// otherwise a client could have any number of handlers at work at a time.
type loose struct {
	st    *serverStream
	until time.Time // when it counts no longer: its handler may never say that it is done
}

const (
	looseTime  = 30 * time.Second
	looseCheck = 50 * time.Millisecond
)

// checkLoose releases the streams whose handlers are done.
func (n *session) checkLoose(now time.Time) {
	kept := n.loose[:0]
	for _, l := range n.loose {
		if l.st.LetGo() || now.After(l.until) {
			n.release(l.st)
		} else {
			kept = append(kept, l)
		}
	}
	clear(n.loose[len(kept):])
	n.loose = kept
	if len(kept) > 0 {
		n.clock.in(n, looseCheck)
	}
}

// reprioritize acts on PRIORITY_UPDATE.
func (n *session) reprioritize(id quic.StreamID, p httpfield.Priority) {
	if st := n.streams[id]; st != nil {
		st.setPriority(p, true)
		return
	}
	if uint64(id) < n.next || len(n.waiting) >= maxWaiting {
		return
	}
	for i := range n.waiting {
		if n.waiting[i].id == id {
			n.waiting[i].priority = p
			return
		}
	}
	n.waiting = append(n.waiting, earlyPriority{id, p})
}

// idleFrames is the purse for frames that ask for nothing. It belongs to the
// goroutine that reads the client's control stream.
var idleFrames = purse.Size{Full: 1000, Rate: 100}

// timeouts of the session, for short.
func (n *session) timeouts() *asteri.Timeouts { return &n.server.settings.Timeouts }

// roundTrip is how long the client needs to hear of something and to answer, within
// reason.
func (n *session) roundTrip() time.Duration {
	return min(max(n.conn.ConnectionStats().SmoothedRTT, 5*time.Millisecond), time.Second)
}
