//go:build unix

package takeover

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Socket is the front's end of a socket that stands for a client's connection
// in a worker. If the application answers in the usual way, the socket is closed
// without a word. If it writes a response on it, that is the answer: with 101 bytes
// pass in both directions until one side ends, any other one ends with the socket.
//
// All of it belongs to the home of its call, which is the loop that has adopted it.
type Socket struct {
	worker   Worker
	call     Call            // nil once it is a tunnel
	x        asteri.Exchange // the call's; nil likewise
	settings Settings

	home   *loop.Loop
	fd     int       // for a look at what has not been read; conn's
	theirs int       // the worker's end, until it is passed
	conn   loop.Conn // nil until the loop has adopted fd

	counted bool // as an open socket of the worker; the worker's, once it is taken

	phase   phase
	taken   bool // the application has answered on the socket
	paused  bool // the client has to take something first
	informs int  // interim responses that it has sent
	scanned int  // bytes of an incomplete head that were looked at

	left int64 // inBody: content to come; -1: all up to the end

	tunnel   asteri.Tunnel
	held     int          // bytes of the client that the application has yet to take
	frames   *ws.Follower // of what the application sends on a WebSocket
	draining bool
	leaveAt  time.Time
	code     ws.Code // to leave with
	leaving  bool
	said     bool // the client knows that it is over
}

type phase uint8

const (
	waiting phase = iota // the application has not written anything
	inHead               // the head of its response is not complete
	inBody               // of a response other than 101
	inTunnel
	over
)

// Water marks of what waits for the application, in bytes.
const (
	high = 64 << 10
	low  = 16 << 10
)

// New makes the front's end of a pair of sockets, of which theirs is the worker's, for a call
// at home that is about to be sent. It owns both ends, and a descriptor of
// internal/system/descriptors for its own.
func New(w Worker, c Call, x asteri.Exchange, home *loop.Loop, ends [2]int, s Settings) *Socket {
	return &Socket{worker: w, call: c, x: x, settings: s, home: home, fd: ends[0], theirs: ends[1]}
}

// Discard closes both ends of a socket that was not lent.
func (r *Socket) Discard() {
	unix.Close(r.fd)
	unix.Close(r.theirs)
	descriptors.Release()
}

// Lend returns the worker's end, which is the caller's from now on, and to close.
func (r *Socket) Lend() (theirs int) {
	theirs, r.theirs = r.theirs, -1
	return theirs
}

// Adopt gives the front's end to the home. It returns false if that has ended.
func (r *Socket) Adopt() bool {
	if r.home.Adopt(r.fd, r.attach) != nil {
		descriptors.Release()
		return false
	}
	return true
}

// Home is the loop that all of the socket belongs to.
func (r *Socket) Home() *loop.Loop { return r.home }

// Taken tells whether the application has made the socket its answer.
func (r *Socket) Taken() bool { return r.taken }

// Uncount takes the socket off the worker's open ones. Once it is taken that is the worker's
// loop to do.
func (r *Socket) Uncount() {
	if r.counted {
		r.counted = false
		r.worker.RemoveSocket()
	}
}

func (r *Socket) attach(c loop.Conn) loop.Session {
	r.conn = c
	c.SetWaterMarks(high, low)
	if r.phase == over {
		c.Abort(loop.PeerClosed)
	}
	return r
}

// Drop closes a socket that was not the answer.
func (r *Socket) Drop() {
	r.phase, r.call, r.x = over, nil, nil
	if r.conn != nil {
		r.conn.Abort(loop.PeerClosed)
	}
}

// Spoken tells whether the application has written on its socket, also if that has
// not been read.
func (r *Socket) Spoken() bool {
	switch r.phase {
	case waiting:
		var b [1]byte
		n, _, err := unix.Recvfrom(r.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err == nil && n > 0
	case over:
		return r.taken
	}
	return true
}

// OnData takes what the application writes.
func (r *Socket) OnData(in []byte) (consumed int, err error) {
	for r.phase <= inHead && consumed < len(in) {
		n := r.readHead(in[consumed:])
		if n == 0 {
			return consumed, nil
		}
		consumed += n
	}
	if rest := in[consumed:]; len(rest) > 0 {
		switch r.phase {
		case inBody:
			r.passContent(rest)
		case inTunnel:
			r.passFrames(rest)
		}
	}
	return len(in), nil
}

// readHead reads the head of a response and returns its length; 0 if more is
// needed.
func (r *Socket) readHead(p []byte) int {
	r.phase = inHead
	from := max(r.scanned-len(headEnd)+1, 0)
	at := bytes.Index(p[from:], headEnd)
	switch {
	case at < 0 && len(p) < maxHead:
		r.scanned = len(p)
		return 0
	case at < 0 || from+at > maxHead:
		r.fail(errLength)
		return len(p)
	}
	r.scanned = 0
	at += from
	h, err := parseHead(p[:at])
	if err == nil {
		err = r.respond(h)
	}
	if err != nil {
		r.fail(err)
	}
	return at + len(headEnd)
}

func (r *Socket) respond(h *wire.Head) error {
	switch {
	case h.Status == 101:
		return r.upgrade(h)
	case h.Status < 200:
		if r.informs++; r.informs > wire.MaxInforms {
			return wire.ErrInforms
		}
		return r.x.Inform(h.Status, h.Header)
	}
	return r.start(h)
}

// fail ends a call whose application wrote what cannot be an answer.
func (r *Socket) fail(err error) {
	c := r.call
	r.Drop()
	c.GiveUp(err)
}

// take makes the socket the answer of its call.
func (r *Socket) take(into phase) {
	c := r.call
	r.taken, r.phase = true, into
	c.End()
	r.atWorker(func() { r.worker.Taken(c, r) })
}

// A response that is none of 101.

func (r *Socket) start(h *wire.Head) error {
	if err := r.call.Refuses(h.Status); err != nil {
		return err
	}
	if err := r.x.Start(h.Status, h.WithLength()); err != nil {
		return err
	}
	r.left = -1
	if h.Length != nil {
		r.left = h.Number
	}
	if h.Status == 204 || h.Status == 304 {
		r.left = 0
	}
	r.take(inBody)
	if r.left == 0 {
		r.finishContent()
	}
	return nil
}

func (r *Socket) passContent(p []byte) {
	if r.left >= 0 {
		p = p[:min(int64(len(p)), r.left)]
		r.left -= int64(len(p))
	}
	x := r.x
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
func (r *Socket) finishContent() {
	_ = r.x.Finish(nil)
	r.close()
}

// ClientLeft is called when the exchange was cancelled that a response is for.
func (r *Socket) ClientLeft(cause error) {
	if r.phase == inBody {
		r.x.Abort(cause)
		r.close()
	}
}

// Both directions.

// hold has the application wait if much is queued for the client.
func (r *Socket) hold(queued int, onDrain func(func())) {
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
func (r *Socket) close() {
	r.phase, r.call, r.x = over, nil, nil
	r.conn.Abort(loop.PeerClosed)
}

// OnEOF says that the application writes no more: it has closed the socket, or
// its call has returned.
func (r *Socket) OnEOF() {
	switch {
	case r.phase == waiting:
		r.call.TakeBack()
	case r.phase == inHead:
		r.fail(errCut)
	case r.paused: // what it wrote has not been read to its end
	case r.phase == inBody:
		r.finishContent()
	case r.phase == inTunnel:
		r.tunnel.Close()
		r.close()
	}
}

// OnClose ends what is left, after an error on the socket. A response was cut.
func (r *Socket) OnClose(cause error) {
	r.paused = false
	if r.phase == inBody {
		r.x.Abort(cause)
	} else {
		r.OnEOF()
	}
	r.phase, r.fd = over, -1
	descriptors.Release()
	r.atWorker(func() { r.worker.Closed(r) })
}

// atWorker runs fn on the worker's loop: at once if that is the home.
func (r *Socket) atWorker(fn func()) {
	if l := r.worker.Loop(); l == r.home {
		fn()
	} else {
		l.Post(fn)
	}
}

// OnDrain says that the application has taken what the client sent.
func (r *Socket) OnDrain() { r.consumed() }

// OnShutdown is for connections of clients: the tunnel tells of it.
func (r *Socket) OnShutdown() {}

// OnTimer runs the socket's timers.
func (r *Socket) OnTimer(t loop.Timer) {
	if r.phase == inTunnel {
		r.tunnelTimer(t)
	}
}
