//go:build unix

package python

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/descriptors"
	"github.com/asteri/asteri-loop/internal/ws"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// rawSocket is the front's end of a socket that stands for a client's connection
// in a worker. If the application answers in the usual way, the socket is closed
// without a word. If it writes a response on it, that is the answer: with 101 bytes
// pass in both directions until one side ends, any other one ends with the socket.
//
// All of it belongs to the home of its call, which is the loop that has adopted it.
type rawSocket struct {
	link   *link
	home   *loop.Loop
	fd     int       // for a look at what has not been read; conn's
	theirs int       // the worker's end, until it is passed
	conn   loop.Conn // nil until the loop has adopted fd
	call   *call     // nil once it is a tunnel

	counted bool // as an open socket of the worker; the link's, once it is taken

	phase   rawPhase
	taken   bool // the application has answered on the socket
	paused  bool // the client has to take something first
	informs int  // interim responses that it has sent
	scanned int  // bytes of an incomplete head that were looked at

	left int64 // rawBody: content to come; -1: all up to the end

	tunnel   asteri.Tunnel
	held     int          // bytes of the client that the application has yet to take
	frames   *ws.Follower // of what the application sends on a WebSocket
	draining bool
	leaveAt  time.Time
	code     ws.Code // to leave with
	leaving  bool
	said     bool // the client knows that it is over
}

type rawPhase uint8

const (
	rawWaiting rawPhase = iota // the application has not written anything
	rawHead                    // the head of its response is not complete
	rawBody                    // of a response other than 101
	rawTunnel
	rawOver
)

// Water marks of what waits for the application, in bytes.
const (
	rawHigh = 64 << 10
	rawLow  = 16 << 10
)

func (r *rawSocket) attach(c loop.Conn) loop.Session {
	r.conn = c
	c.SetWaterMarks(rawHigh, rawLow)
	if r.phase == rawOver {
		c.Abort(loop.PeerClosed)
	}
	return r
}

// drop closes a socket that was not the answer.
func (r *rawSocket) drop() {
	r.phase, r.call = rawOver, nil
	if r.conn != nil {
		r.conn.Abort(loop.PeerClosed)
	}
}

// spoken tells whether the application has written on its socket, also if that has
// not been read.
func (r *rawSocket) spoken() bool {
	switch r.phase {
	case rawWaiting:
		var b [1]byte
		n, _, err := unix.Recvfrom(r.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err == nil && n > 0
	case rawOver:
		return r.taken
	}
	return true
}

// OnData takes what the application writes.
func (r *rawSocket) OnData(in []byte) (consumed int, err error) {
	for r.phase <= rawHead && consumed < len(in) {
		n := r.readHead(in[consumed:])
		if n == 0 {
			return consumed, nil
		}
		consumed += n
	}
	if rest := in[consumed:]; len(rest) > 0 {
		switch r.phase {
		case rawBody:
			r.passContent(rest)
		case rawTunnel:
			r.passFrames(rest)
		}
	}
	return len(in), nil
}

// readHead reads the head of a response and returns its length; 0 if more is
// needed.
func (r *rawSocket) readHead(p []byte) int {
	r.phase = rawHead
	from := max(r.scanned-len(headEnd)+1, 0)
	at := bytes.Index(p[from:], headEnd)
	switch {
	case at < 0 && len(p) < maxRawHead:
		r.scanned = len(p)
		return 0
	case at < 0 || from+at > maxRawHead:
		r.fail(errRawLength)
		return len(p)
	}
	r.scanned = 0
	at += from
	h, err := parseRawHead(p[:at])
	if err == nil {
		err = r.respond(h)
	}
	if err != nil {
		r.fail(err)
	}
	return at + len(headEnd)
}

func (r *rawSocket) respond(h *wire.Head) error {
	switch {
	case h.Status == 101:
		return r.upgrade(h)
	case h.Status < 200:
		if r.informs++; r.informs > wire.MaxInforms {
			return wire.ErrInforms
		}
		return r.call.x.Inform(h.Status, h.Header)
	}
	return r.start(h)
}

// fail ends a call whose application wrote what cannot be an answer.
func (r *rawSocket) fail(err error) {
	c := r.call
	r.drop()
	c.giveUp(err)
}

// take makes the socket the answer of its call.
func (r *rawSocket) take(phase rawPhase) {
	c := r.call
	r.taken, r.phase = true, phase
	c.end()
	if r.link.loop == r.home {
		r.link.rawTaken(c, r)
	} else {
		r.link.loop.Post(func() { r.link.rawTaken(c, r) })
	}
}

// A response that is none of 101.

func (r *rawSocket) start(h *wire.Head) error {
	c := r.call
	if c.unaskedConnect(h.Status) {
		return errUnaskedConnect
	}
	if err := c.x.Start(h.Status, h.WithLength()); err != nil {
		return err
	}
	r.left = -1
	if h.Length != nil {
		r.left = h.Number
	}
	if h.Status == 204 || h.Status == 304 {
		r.left = 0
	}
	r.take(rawBody)
	if r.left == 0 {
		r.finishContent()
	}
	return nil
}

func (r *rawSocket) passContent(p []byte) {
	if r.left >= 0 {
		p = p[:min(int64(len(p)), r.left)]
		r.left -= int64(len(p))
	}
	x := r.call.x
	queued, err := x.Write(p)
	switch {
	case err != nil:
		x.Abort(err)
		r.close()
	case r.left == 0:
		r.finishContent()
	default:
		r.hold(queued, x.OnDrain)
	}
}

// finishContent ends the response. What is shorter than announced ends in a reset,
// which the exchange sees to and logs.
func (r *rawSocket) finishContent() {
	_ = r.call.x.Finish(nil)
	r.close()
}

// clientLeft is called when the exchange was cancelled that a response is for.
func (r *rawSocket) clientLeft(cause error) {
	if r.phase == rawBody {
		r.call.x.Abort(cause)
		r.close()
	}
}

// Both directions.

// hold has the application wait if much is queued for the client.
func (r *rawSocket) hold(queued int, onDrain func(func())) {
	if queued >= asteri.HighWater && !r.paused {
		r.paused = true
		r.conn.PauseRead()
		onDrain(func() {
			r.paused = false
			r.conn.ResumeRead()
		})
	}
}

// close ends the socket. The application sees its end, or an error.
func (r *rawSocket) close() {
	r.phase, r.call = rawOver, nil
	r.conn.Abort(loop.PeerClosed)
}

// OnEOF says that the application writes no more: it has closed the socket, or
// its call has returned.
func (r *rawSocket) OnEOF() {
	switch {
	case r.phase == rawWaiting:
		r.call.dropRaw()
	case r.phase == rawHead:
		r.fail(errRawCut)
	case r.paused: // what it wrote has not been read to its end
	case r.phase == rawBody:
		r.finishContent()
	case r.phase == rawTunnel:
		r.tunnel.Close()
		r.close()
	}
}

// OnClose ends what is left, after an error on the socket. A response was cut.
func (r *rawSocket) OnClose(cause error) {
	r.paused = false
	if r.phase == rawBody {
		r.call.x.Abort(cause)
	} else {
		r.OnEOF()
	}
	r.phase, r.fd = rawOver, -1
	descriptors.Release()
	if r.link.loop == r.home {
		r.link.rawClosed(r)
	} else {
		r.link.loop.Post(func() { r.link.rawClosed(r) })
	}
}

// OnDrain says that the application has taken what the client sent.
func (r *rawSocket) OnDrain() { r.consumed() }

// OnShutdown is for connections of clients: the tunnel tells of it.
func (r *rawSocket) OnShutdown() {}

// OnTimer runs the socket's timers.
func (r *rawSocket) OnTimer(t loop.Timer) {
	if r.phase == rawTunnel {
		r.tunnelTimer(t)
	}
}
