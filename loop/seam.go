// Package loop is the reactor: event loops that own connections, and nothing
// of what is spoken on them. Protocols plug in through the interfaces of this
// file.
//
// A connection belongs to one loop for its whole life, and every call in either
// direction between a Session and its Conn runs on that loop's goroutine. The
// exceptions are named: Conn.Post, ConnInfo, and what says so of a Loop.
//
// Whoever breaks a rule of the package is told by a *MisuseError. A session that panics
// loses its connection, and nothing else.
package loop

import (
	"io"
	"time"
)

// Protocol makes sessions for the connections that speak it.
type Protocol interface {
	// Name is the ALPN name of the protocol, for example "http/1.1".
	Name() string
	// Match looks at a new connection: alpn is what TLS negotiated, or
	// empty; head is what has arrived, inside TLS where there is any, and has not
	// been consumed. It keeps neither.
	//
	// Every protocol of a listener is asked about every connection, in their
	// order, as soon as that is accepted or its TLS handshake is done: with an
	// empty head, and with more whenever more has come, as long as nobody has the
	// connection. The first that does not say No decides: with Yes it gets the
	// connection, with Maybe the connection waits for more bytes, unless all
	// others have said No: then there is nothing to tell it from, and it gets the
	// connection, too. If all say No, or the bytes by which to tell do not come
	// within Config.HandshakeTimeout, it ends with Unrecognized.
	//
	// So a protocol whose server speaks first says Yes to an empty head. It gets
	// every connection then, unless one in front of it says Maybe, which would be
	// waited for in vain: it has a listener of its own.
	Match(alpn string, head []byte) Verdict
	// NewSession starts a session, which must not be nil. Data comes by OnData
	// after it returns.
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
	// OnData takes received bytes: all that were not consumed so far, one at
	// least. It returns how many it consumed, 0 to len(in); the loop keeps the rest
	// and offers it again together with what comes next. in is valid until OnData
	// returns. A session that does not consume everything bounds what it
	// leaves: it pauses reading, or ends the connection. An error aborts the
	// connection with it as the cause.
	OnData(in []byte) (consumed int, err error)
	// OnEOF says that the peer sends no more. A session that has paused
	// reading is told at once, since whoever it works for has perhaps left.
	// It is told again whenever it resumes, behind the last bytes. The
	// connection stays open for what is still to be sent until the session closes
	// it; one that does nothing loses it after Config.IdleTimeout.
	OnEOF()
	// OnDrain says that the queue, having reached the high-water mark (see
	// Conn.Congested), has fallen below the low-water mark.
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

// HighWater and LowWater are the marks of the send queue, in bytes, unless the session
// sets its own: see Conn.Congested. They equal those of package asteri, which this
// package cannot name.
const (
	HighWater = 256 << 10
	LowWater  = 64 << 10
)

// Conn is the loop's side of a connection.
type Conn interface {
	// Write queues a copy of p and returns how many bytes are queued. The
	// queue is sent once a tick. A session that goes on writing though its peer
	// does not read ends with QueueFull: see Config.MaxQueued. It stops while
	// Congested.
	Write(p []byte) (queued int)
	// SendFile queues n bytes of f, which must not be nil, from offset off, which
	// must not be negative. It takes over f and closes it when it is sent or
	// dropped. If the file has fewer bytes the connection is aborted with
	// io.ErrUnexpectedEOF.
	SendFile(f File, off, n int64) (queued int)
	// Queued returns how many bytes are queued, those of files included.
	Queued() int
	// Congested tells whether the queue has reached the high-water mark and has
	// not fallen below the low-water mark since: OnDrain will then be called,
	// unless the connection ends before. A session that waits for OnDrain, or
	// pauses reading until then, asks this; in front of a queue that is shorter
	// it would wait for ever.
	Congested() bool
	// Full tells whether as much is queued in memory as Config.MaxQueued allows, so
	// that a Write would end the connection.
	Full() bool
	// SetWaterMarks sets from which number of queued bytes on the queue is long, and
	// below which it is short again, as OnDrain reports. A protocol that chooses
	// itself what to send next keeps the queue short. 0 < low <= high < 2 GiB. Default
	// HighWater and LowWater.
	SetWaterMarks(high, low int)
	// PauseRead stops OnData and, once the loop's own bounds are reached,
	// reading, so that the peer feels it. An end of the connection is still
	// noticed as far as the system tells.
	PauseRead()
	// ResumeRead undoes PauseRead. Bytes kept so far are offered in the
	// same tick, never from within this call, and an end of the input is told
	// behind them, by OnEOF, whether or not it was before.
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
	// SetTimer starts timer t, 0 to NumTimers-1, or starts it anew; d <= 0 stops
	// it. Timers are coarse: they run out up to 50 ms late, never early.
	SetTimer(t Timer, d time.Duration)
	// Info tells about the connection.
	Info() *ConnInfo
	// Loop returns the loop that owns the connection.
	Loop() *Loop
	// Replace hands the connection over to s, which must not be nil and may be the
	// present session. Bytes that the present session has not consumed are offered
	// to s in the same tick, never from within this call, and reading goes on if it
	// was paused; so is an end of the input, by OnEOF, behind them. What is queued
	// is sent first. Timers that are set, and the water marks, stay as they are. The
	// replaced session gets no further call, not even OnClose. While the server
	// drains, s is told so by OnShutdown, whether or not its predecessor was. On a
	// connection that is closed, s is only told its end, by OnClose, and if that has
	// been told already, nothing.
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
	// Post runs fn, which must not be nil, on the loop unless the connection is
	// closed by then. It may be called from any goroutine. It returns false, and fn
	// will not run, if the connection is closed already.
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
	// IdleExpired: nothing came or went for IdleTimeout.
	IdleExpired
	// QueueFull: the session wrote though MaxQueued was reached.
	QueueFull
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
	case IdleExpired:
		return "nothing came or went for too long"
	case QueueFull:
		return "more was written than may be queued for a peer that does not take it"
	}
	return "connection ended"
}
