package http3

import (
	"errors"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// goodbye is how a session ends that has nothing to complain about, RFC 9114
// section 5.2.
type goodbye struct {
	said    bool          // the last GOAWAY was sent
	next    uint64        // and the first request that is not served
	closing bool          // the last stream is done; what was sent is on its way,
	until   time.Duration // for which there is time until then
}

// maxRequestID is the largest id of a request, which says only that the end is near.
const maxRequestID = quicvarint.Max &^ 3

// shutdown announces the end. A first GOAWAY excludes nothing, so that no request
// gets lost that is on its way; a second, when the client must have heard, says what
// is served. Streams that are open are finished; tunnels are told.
func (n *session) shutdown() {
	if n.stopping || n.lost != nil {
		return
	}
	n.stopping = true
	n.sendControl(appendGoAway(nil, maxRequestID))
	n.clock.after(n, 2*n.roundTrip(), n.sayGoodbye)
	n.streams.Each(func(st *serverStream) { st.party.Shutdown() })
}

// sayGoodbye says which requests are served.
func (n *session) sayGoodbye() {
	if n.lost != nil || n.goodbye.said {
		return
	}
	n.goodbye.said = true
	n.goodbye.next = n.next
	n.sendControl(appendGoAway(nil, n.next))
	if len(n.streams.Open) == 0 {
		n.closeSoon()
	}
}

// closeSoon closes the connection once what was sent last has arrived: closing drops
// what has not. A client that has heard GOAWAY may be faster.
func (n *session) closeSoon() {
	if !n.goodbye.closing {
		n.goodbye.closing = true
		n.goodbye.until = n.at.Awake() + quietTime
		n.awaitQuiet()
	}
}

// awaitQuiet closes the connection when nothing was sent for so long that QUIC would
// have repeated what did not arrive (RFC 9002 section 6.2.1).
func (n *session) awaitQuiet() {
	stats := n.conn.ConnectionStats()
	probe := n.roundTrip() + 4*stats.MeanDeviation + ackDelay
	n.clock.after(n, 2*probe, func() {
		if n.conn.ConnectionStats().PacketsSent == stats.PacketsSent || n.at.Awake() > n.goodbye.until {
			closeConn(n.conn, codeNo, "")
			return
		}
		n.awaitQuiet()
	})
}

const (
	// ackDelay is how long a client may keep an acknowledgement back, RFC 9000
	// section 18.2.
	ackDelay = 25 * time.Millisecond
	// quietTime bounds the wait: a client may make us send for ever.
	quietTime = 10 * time.Second
)

// sendControl sends frames on our control stream. They are few and short; a client
// that leaves no room for them is not worth waiting for.
func (n *session) sendControl(b []byte) {
	if errors.Is(n.control.TryWriteAll(b), quic.ErrWouldBlock) {
		n.fail(connError{codeExcessiveLoad, "no room on the control stream"})
	}
}
