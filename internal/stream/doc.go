// Package stream is what an exchange is on a multiplexed protocol, HTTP/2 or
// HTTP/3: an asteri.Exchange with all its rules, over the little that differs
// between them.
//
// # Who does what
//
// A protocol has, for each request stream, a value of its own type, which embeds
// an Exchange and implements Wire. It
//
//   - makes one Local for each home (an event loop), NewLocal;
//   - on a request: Exchange.Init with itself as the Wire; fills the request by an
//     httpfield.RequestHead on Exchange.Head; then Serve, or Refuse if the head was
//     understood and is refused. A malformed one is the protocol's to reset;
//   - passes on what the client sends: Receive, ReceiveEnd;
//   - says what has become of the stream: Cancel (reset by the client, connection
//     lost), HalfClosed, Shutdown (the server drains), Drained (its queue is short);
//   - sends what the Exchange gives to its Wire, within the windows of flow
//     control. Queue is a send queue with all that it needs;
//   - calls CheckBody when a deadline that Wire.Await announced is due, and
//     CheckHandler within Patience of an exchange that Serve has returned from, and
//     when Wire.Watch has asked for it.
//
// # Where it runs
//
// All methods of an Exchange, except Post and Home, and all methods of its Wire
// run on the exchange's home. A protocol whose bytes come from other goroutines
// posts to the home first.
//
// # How long it lives
//
// The response may end before the stream does, which then has a queue to send; and
// the stream may end before the handler is done, which may still call the Exchange.
// So a Wire's methods do nothing once its stream is closed. The protocol uses a value
// again (Init) when its stream is closed, if Reusable says that nobody else can have
// kept it, or when its handler has given it back: Wire.Recycle.
package stream

import (
	"time"

	"github.com/asteri/asteri-loop"
)

// Wire is the protocol's side of one stream. Its methods never call into the
// Exchange, and do nothing on a closed stream.
type Wire interface {
	Reserver // of memory that is held for this client
	// SendHead sends a header section: an interim response, or the response,
	// of which it is the whole if end. The fields are in their final form,
	// names in lower case and :status first, and live until it returns. It
	// returns the bytes that this takes on the wire.
	SendHead(fields []asteri.Field, end bool) (sent int)
	// Send queues a copy of p as content, the last of it if end. It returns how
	// many bytes of the stream wait to be sent.
	Send(p []byte, end bool) (queued int)
	// SendFile queues n > 0 bytes of f from offset off as content. It takes
	// over f and closes it when it is sent or dropped.
	SendFile(f asteri.File, off, n int64) (queued int)
	// SendTrailer queues a trailer section behind the content, which ends the
	// response. It takes over trailer, which is in its final form.
	SendTrailer(trailer *asteri.Header)
	// Queued returns how many bytes of the stream wait to be sent.
	Queued() int
	// Kept returns how many of them are in memory, and not in files.
	Kept() int
	// StopReading says that nobody wants the rest of the request. It is called
	// once the response is queued as a whole, which is sent nevertheless.
	StopReading()
	// Reset ends the stream at once in both directions and drops what is
	// queued. cause is the exchange's.
	Reset(cause error)
	// Credit says that n bytes of content were consumed: the client may send as
	// many more on this stream. Bytes that nobody consumes are never credited.
	Credit(n int)
	// Room returns how many bytes of content the client may send before more is
	// consumed, as far as the protocol knows.
	Room() int
	// Await says that bytes of content are awaited from now on: CheckBody is
	// to be called within the Body timeout.
	Await()
	// Watch says that CheckHandler is to be called within d, unless that is 0.
	Watch(d time.Duration)
	// Recycle says, after the end of the exchange, that nobody holds on to it any
	// more. The protocol uses the stream again, which it does only for a closed
	// one, or returns false.
	Recycle() bool
}

// Home is an executor with a clock; an event loop is one.
type Home interface {
	asteri.Executor
	// Now returns the time at the start of the present event, which is
	// precise enough for deadlines and cheap.
	Now() time.Time
	// MaxQueued returns how many bytes of a response are kept in memory for a client
	// that does not read.
	MaxQueued() int
}
