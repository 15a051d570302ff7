package http3

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/tokenbucket"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/system/jobs"
	"github.com/asteri/asteri-loop/loop"
)

// session is one connection. Its goroutines take streams; all state below home
// belongs to the home's goroutine.
type session struct {
	server   *Server
	conn     *quic.Conn
	at       *local
	control  *quic.SendStream // ours
	who      atomic.Pointer[identity]
	accepted atomic.Uint64 // the lowest id that no stream has had
	memory   atomic.Int64  // bytes that are held for the client
	coming   chan struct{} // has something for each request on its way home

	// home
	streams  exchange.Streams[quic.StreamID, *serverStream]
	next     uint64 // the lowest id that no request has had
	resets   tokenbucket.Bucket
	clock    clock
	goodbye  goodbye
	lost     error // the connection is gone
	stopping bool
	busy     bool // with QUIC's goroutines, for whom the loops leave time
}

// identity is what is known of the client at a time.
type identity struct {
	addr net.Addr
	peer asteri.Peer
}

// maxComing is how many requests of a connection are on their way home at a time, from
// when their streams are accepted: a client that sends a hundred at once takes turns with
// the others.
const maxComing = 16

// newSession greets the client: our control stream comes first, so that the client
// has the settings before it asks, and nobody has to wait for it.
func newSession(s *Server, conn *quic.Conn, at *local) (*session, error) {
	n := &session{server: s, conn: conn, at: at, coming: make(chan struct{}, maxComing)}
	n.streams.Open = make(map[quic.StreamID]*serverStream)
	n.resets = tokenbucket.New(tokenbucket.ForResets(s.cfg.MaxConcurrentStreams), now())
	var err error
	if n.control, err = conn.OpenUniStream(); err != nil {
		return nil, err
	}
	// So few bytes are copied, whether or not the client's windows have room.
	_, err = n.control.Write(appendHello(nil, s.settings.Limits.Head))
	return n, err
}

// run serves the connection until it is over.
func (n *session) run() {
	ctx := n.conn.Context()
	n.at.Home.Post(n.begin)
	if n.handshake(ctx) {
		go n.acceptUni(ctx)
		n.acceptRequests(ctx)
	}
	<-ctx.Done()
	cause := context.Cause(ctx)
	n.at.Home.Post(func() { n.lose(cause) })
}

// begin makes the session known at home.
func (n *session) begin() {
	if n.lost == nil {
		n.at.loop.AddHolder(n)
		n.becomeIdle()
	}
}

// Reserve counts memory that is held for the client. It may be called from any
// goroutine.
func (n *session) Reserve(bytes int) {
	n.memory.Add(int64(bytes))
	n.server.engine.Budget().Reserve(int64(bytes))
	if bytes > 0 {
		n.server.engine.Relieve()
	}
}

// Held returns how much that is.
func (n *session) Held() int64 { return n.memory.Load() }

// OnShed ends the connection of a client that holds more than there is memory for.
func (n *session) OnShed() {
	err := connError{codeExcessiveLoad, "the server is short of memory"}
	n.fail(err)
	n.lose(err)
}

var _ loop.Holder = (*session)(nil)

// handshake waits until the handshake is complete, except for a client that sends
// early data: its requests are taken meanwhile.
func (n *session) handshake(ctx context.Context) bool {
	complete := func() bool {
		jobs.Begin() // the loops leave its goroutine time
		defer jobs.End()
		defer endHandshake(ctx)
		select {
		case <-n.conn.HandshakeComplete():
			n.identify()
			return true
		case <-ctx.Done():
			return false
		}
	}
	if n.conn.ConnectionState().Used0RTT {
		n.identify()
		go complete()
		return true
	}
	return complete()
}

func (n *session) acceptRequests(ctx context.Context) {
	for {
		select {
		case n.coming <- struct{}{}:
		case <-ctx.Done():
			return
		}
		str, err := n.conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		n.accepted.Store(uint64(str.StreamID()) + 4)
		st := takeStream()
		st.open(n, str)
		n.server.readers.read(st)
	}
}

// identify looks at who the client is: its certificate is there when the handshake
// is complete, and its address may change (RFC 9000 section 9).
func (n *session) identify() *identity {
	state := n.conn.ConnectionState()
	who := &identity{addr: n.conn.RemoteAddr()}
	who.peer = asteri.Peer{
		Remote:  addrPort(who.addr),
		Local:   addrPort(n.conn.LocalAddr()),
		Network: "udp",
		TLS:     &state.TLS,
	}
	n.who.Store(who)
	return who
}

// peer returns the client's identity for a request. It may be called from any
// goroutine.
func (n *session) peer() *asteri.Peer {
	who := n.who.Load()
	if n.conn.RemoteAddr() != who.addr {
		who = n.identify()
	}
	return &who.peer
}

// inEarlyData tells whether what arrives now may be a replay.
func (n *session) inEarlyData() bool {
	select {
	case <-n.conn.HandshakeComplete():
		return false
	default:
		return n.conn.ConnectionState().Used0RTT
	}
}

// fail ends the connection for an error. It may be called from any goroutine.
func (n *session) fail(err error) {
	var end connError
	if !errors.As(err, &end) {
		end = connError{codeInternal, err.Error()}
	}
	if n.conn.Context().Err() == nil {
		n.server.counts.failed(end.code)
		n.server.settings.Logger.Debug("HTTP/3 connection fails", "remote", addrPort(n.conn.RemoteAddr()), "error", err)
	}
	closeConn(n.conn, end.code, end.reason)
}

// failed takes note of a stream that ended with an error, or that was reset. Too
// many of these end the connection.
func (n *session) failed(err error) {
	if n.lost != nil {
		return
	}
	n.server.counts.failed(streamCode(err, codeRequestCancelled))
	if !n.resets.Take(1, n.at.Home.Now()) {
		n.fail(connError{codeExcessiveLoad, "too many streams end with errors"})
	}
}

// cut ends the connection without waiting for anything. It may be called from any
// goroutine.
func (n *session) cut() {
	n.at.Home.Post(func() { n.lose(asteri.ErrStopping) })
	closeConn(n.conn, codeNo, "")
}

// lose ends all streams for lack of a client.
func (n *session) lose(cause error) {
	if n.lost != nil {
		return
	}
	n.lost = goneCause(cause)
	n.at.loop.RemoveHolder(n)
	n.clock.stop()
	n.setBusy(false)
	n.streams.Each(func(st *serverStream) { st.end(lost, n.lost) })
}

// setBusy tells the loops whether there is work on goroutines.
func (n *session) setBusy(busy bool) {
	switch {
	case busy == n.busy || busy && n.lost != nil:
		return
	case busy:
		jobs.Begin()
	default:
		jobs.End()
	}
	n.busy = busy
}

// came says that a request has come home, or will not.
func (n *session) came() { <-n.coming }

// enter takes a new request in. It returns an error if it is not to be served.
func (n *session) enter(st *serverStream) error {
	id := uint64(st.id)
	switch {
	case n.lost != nil:
		return n.lost
	case n.goodbye.said && id >= n.goodbye.next:
		return streamError{codeRequestRejected, "the server is stopping"}
	}
	n.setBusy(true)
	n.next = max(n.next, id+4)
	n.streams.Open[st.id] = st
	st.x.Occupy(exchange.Footprint)
	st.setPriority(n.streams.Priority(st.id, &st.head.Facts))
	return nil
}

// leave forgets a stream that is done. The client may open another in its place, if
// no handler is at work on it any more.
func (n *session) leave(st *serverStream) {
	delete(n.streams.Open, st.id)
	if st.x != nil {
		st.x.Vacate()
	}
	if st.x != nil && st.x.AtWork() {
		n.streams.Left(st, st.x, n.at.Awake())
		n.clock.in(n, workCheck)
	} else {
		st.str.ReleaseStreamCredit()
	}
	if len(n.streams.Open) == 0 {
		n.setBusy(false)
		n.becomeIdle()
	}
}

// workCheck is how often it is looked whether handlers of streams that are gone are done.
const workCheck = 50 * time.Millisecond

// checkWork releases the streams whose handlers are done.
func (n *session) checkWork(now time.Duration) {
	if n.streams.AtWork(now, func(st *serverStream) { st.str.ReleaseStreamCredit() }) > 0 {
		n.clock.in(n, workCheck)
	}
}

// reprioritize acts on PRIORITY_UPDATE.
func (n *session) reprioritize(id quic.StreamID, p httpfield.Priority) {
	if st := n.streams.Open[id]; st != nil {
		st.setPriority(p, true)
		return
	}
	if uint64(id) >= n.next {
		n.streams.Prioritize(id, p)
	}
}

// idleFrames is for frames that ask for nothing, on a client's control stream, and for
// unidirectional streams of types that nobody knows.
var idleFrames = tokenbucket.Size{Burst: 1000, Rate: 100}

// timeouts of the session, for short.
func (n *session) timeouts() *asteri.Timeouts { return &n.server.settings.Timeouts }

// roundTrip is how long the client needs to hear of something and to answer, within
// reason.
func (n *session) roundTrip() time.Duration {
	return min(max(n.conn.ConnectionStats().SmoothedRTT, 5*time.Millisecond), time.Second)
}
