// Package loop is the reactor: event loops that own connections, and nothing
// of what is spoken on them. Protocols plug in through the interfaces of this
// file.
//
// A connection belongs to one loop for its whole life, and every call in either
// direction between a Session and its Conn runs on that loop's goroutine. The
// exceptions are named: Conn.Post, Loop.Post and Loop.ID.
package loop

import (
	"fmt"
	"io"
	"time"
)

// Protocol makes sessions for the connections that speak it.
type Protocol interface {
	// Name is the ALPN name of the protocol, for example "http/1.1".
	Name() string
	// Match looks at a new connection: alpn is what TLS negotiated, or
	// empty; head is what has arrived of a connection without ALPN. The
	// first protocol of a listener, in their order, that does not say No
	// decides.
	Match(alpn string, head []byte) Verdict
	// NewSession starts a session. Data comes by OnData after it returns.
	NewSession(c Conn) Session
}

// Verdict is a protocol's answer to whether a connection is its own.
type Verdict uint8

const (
	// No: it is not.
	No Verdict = iota
	// Yes: it is.
	Yes
	// Maybe: more bytes are needed to tell.
	Maybe
)

// Session is a protocol's state for one connection.
type Session interface {
	// OnData takes received bytes: all that were not consumed so far. It
	// returns how many it consumed; the loop keeps the rest and offers it
	// again together with what comes next. in is valid until OnData
	// returns. A session that does not consume everything bounds what it
	// leaves: it pauses reading, or ends the connection. An error aborts the
	// connection with it as the cause.
	OnData(in []byte) (consumed int, err error)
	// OnEOF says that the peer sends no more. A session that has paused
	// reading is told at once, since whoever it works for has perhaps left,
	// and a second time after it resumed and was offered the last bytes.
	OnEOF()
	// OnDrain says that the queue, having been above the high-water mark, has
	// fallen below the low-water mark.
	OnDrain()
	// OnTimer says that timer t has run out.
	OnTimer(t Timer)
	// OnShutdown says that the server is draining: the session finishes
	// what it has begun and closes. It is called once, behind all that has
	// arrived by then; sessions made later hear of it too.
	OnShutdown()
	// OnClose is the last call. The connection's calls do nothing any more.
	OnClose(cause error)
}

// Timer is one of the timers that each connection has.
type Timer uint8

// NumTimers is the number of timers a session may use: 0 to NumTimers-1.
const NumTimers = 3

// File is an open file, or one of several holds on it.
type File interface {
	io.ReaderAt
	// Fd returns the descriptor, which stays open until Close.
	Fd() uintptr
	Close() error
}

// Conn is the loop's side of a connection.
type Conn interface {
	// Write queues a copy of p and returns how many bytes are queued. The
	// queue is sent once a tick.
	Write(p []byte) (queued int)
	// SendFile queues n bytes of f from offset off. It takes over f and
	// closes it when it is sent or dropped.
	SendFile(f File, off, n int64) (queued int)
	// Queued returns how many bytes are queued.
	Queued() int
	// SetWaterMarks sets at which number of queued bytes the queue is long, and
	// below which it is short again, as OnDrain reports. A protocol that chooses
	// itself what to send next keeps the queue short. Default 256 and 64 KiB.
	SetWaterMarks(high, low int)
	// PauseRead stops OnData and, once the loop's own bounds are reached,
	// reading, so that the peer feels it. An end of the connection is still
	// noticed as far as the system tells.
	PauseRead()
	// ResumeRead undoes PauseRead. Bytes kept so far are offered in the
	// same tick, never from within this call.
	ResumeRead()
	// Reserve counts n bytes of memory that are held for the connection beside
	// what the loop holds itself; a negative n gives them back. It does not fail:
	// when all memory is used up, those who hold the most are given up (see
	// Shedder). What was counted is given back also when the connection has ended,
	// by a call of its loop.
	Reserve(n int)
	// Heavy tells whether memory is used up and this connection holds more than the
	// others on average: it is about to be given up, and nothing new is begun for it.
	Heavy() bool
	// SetTimer starts timer t, or starts it anew; d <= 0 stops it. Timers
	// are coarse: they run out up to 50 ms late, never early.
	SetTimer(t Timer, d time.Duration)
	// Info tells about the connection.
	Info() *ConnInfo
	// Loop returns the loop that owns the connection.
	Loop() *Loop
	// Replace hands the connection over to s. Bytes that the present session
	// has not consumed are offered to s in the same tick. The replaced session
	// gets no further call, not even OnClose. While the server drains, s is
	// told so by OnShutdown, whether or not its predecessor was.
	Replace(s Session)
	// CloseWhenFlushed closes the connection once the queue is sent.
	// Received bytes are dropped from now on. linger says that the peer may
	// still be sending, so that closing at once could destroy what was sent
	// last (RFC 9112 section 9.6): the sending side is closed first, and what
	// comes in is read and dropped for a bounded time.
	CloseWhenFlushed(linger bool)
	// CloseWrite closes the sending side once the queue is sent: the peer sees
	// the end of the stream, and may go on sending itself. What is written
	// afterwards is dropped.
	CloseWrite()
	// Abort closes the connection at once and drops the queue; a TCP peer
	// sees a reset. OnClose is called with cause, before the loop's next tick;
	// if a file is just being sent, as soon as that piece is done.
	Abort(cause error)
	// Post runs fn on the loop unless the connection is closed by then. It
	// may be called from any goroutine. It returns false, and fn will not
	// run, if the connection is closed already.
	Post(fn func()) bool
}

// Ending tells sessions apart from the loop by type: it is the cause of a close
// that the loop decided on.
type Ending uint8

// The loop's causes.
const (
	// PeerClosed: the peer closed or reset the connection.
	PeerClosed Ending = iota + 1
	// Flushed: CloseWhenFlushed has done its work.
	Flushed
	// WriteStalled: the peer took no bytes for the write timeout.
	WriteStalled
	// HandshakeFailed: TLS was refused, or took too long.
	HandshakeFailed
	// Unrecognized: no protocol of the listener took the connection.
	Unrecognized
	// DrainExpired: the time for a graceful stop was over.
	DrainExpired
	// TooSlow: the peer took bytes more slowly than MinWriteRate.
	TooSlow
	// Overloaded: a limit on connections was reached.
	Overloaded
	// Shed: the connection was given up, because it held more memory than others
	// and there was too little, or was idle and there were too many.
	Shed
)

// Error names the cause.
func (e Ending) Error() string {
	switch e {
	case PeerClosed:
		return "peer closed the connection"
	case Flushed:
		return "connection closed after the last byte"
	case WriteStalled:
		return "peer takes no bytes"
	case HandshakeFailed:
		return "TLS handshake failed"
	case Unrecognized:
		return "no protocol recognized the connection"
	case DrainExpired:
		return "time for a graceful stop is over"
	case TooSlow:
		return "peer takes bytes too slowly"
	case Overloaded:
		return "too many connections"
	case Shed:
		return "given up for lack of memory or descriptors"
	}
	return "connection ended"
}

// PanicError is the cause with which a connection ends whose session panicked.
type PanicError struct{ Value any }

// Error names the value.
func (e *PanicError) Error() string { return fmt.Sprintf("session panicked: %v", e.Value) }
