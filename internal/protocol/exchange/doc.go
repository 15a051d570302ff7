// Package exchange is the exchange of package asteri, with all its rules, for every
// protocol: over the little that differs between them, a Wire.
//
// # Who does what
//
// A protocol has, for each request, a value of its own type, which has an Exchange and
// is its Wire. It
//
//   - makes one Local for each home (an event loop), NewLocal;
//   - on a request: Exchange.Init with itself as the Wire; fills the request, by an
//     httpfield.RequestHead on Exchange.Head or by its own parser; then Serve. A
//     malformed one is the protocol's to end;
//   - passes on what the client sends: Receive, ReceiveEnd. One that leaves bytes where
//     they are until they are wanted asks how many that are: Takes;
//   - says what has become of the client: Cancel (the stream was reset, the connection
//     is lost), HalfClosed, Shutdown (the server drains), Drained (its queue is short);
//   - sends what the Exchange gives to its Wire. Queue is a send queue with all that a
//     stream within windows of flow control needs, Section a header section;
//   - calls CheckBody when a deadline that Wire.Await announced is due, and CheckHandler
//     within CheckWithin of an exchange that Serve has returned from, and when Channel.Watch
//     has asked for it.
//
// An exchange that becomes a tunnel is over: Wire.Become gets the Tunnel, which is told
// of everything from then on. Both are a Party to the protocol. An idle tunnel keeps
// nothing of its exchange, whose head is large beside what it needs itself.
//
// # Two steps
//
// What a protocol may refuse and what it must carry out are two calls of its Wire. Compose
// puts a header section together, and refuses what the handler may not send: nothing has
// happened then. Commit sends it, with what the exchange has decided in between: the
// length of the content, what follows, whether that is the end.
//
// # Where it runs
//
// All methods of an Exchange, except Post and Home, and all methods of its Wire run on
// the exchange's home. A protocol whose bytes come from other goroutines posts to the
// home first.
//
// # How long it lives
//
// The response may end before the stream does, which then has a queue to send; and the
// stream may end before the handler is done, which may still call the Exchange. So a
// Wire's methods do nothing once its stream is closed. The protocol uses an Exchange again
// (Init) when its stream is closed, if Reusable says that nobody else can have kept it, or
// when its handler has given it back: Wire.Recycle.
package exchange

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Channel is the protocol's side of the bytes that go both ways between a client and an
// Exchange, or a Tunnel. Its methods call neither, but for what only counts (Framed), and
// do nothing on a stream that is closed.
type Channel interface {
	Reserver // of memory that is held for this client
	// Send queues a copy of p. It returns how many bytes of the stream wait to be sent.
	Send(p []byte) (queued int)
	// Queued returns how many bytes of the stream wait to be sent.
	Queued() int
	// Full tells whether as many of them are in memory as may be for a client that
	// does not read.
	Full() bool
	// Done says that all is queued, and that nobody wants the rest of what the client
	// sends. The end of a response was queued before; that of a tunnel is now.
	Done()
	// Reset ends the stream at once in both directions and drops what is queued.
	// cause is that of the exchange, or the tunnel.
	Reset(cause error)
	// Credit says that n bytes were consumed: the client may send as many more. Bytes
	// that nobody consumes are never credited.
	Credit(n int)
	// Room returns how many bytes the client may send before more is consumed, as far
	// as the protocol knows.
	Room() int
	// Await says that bytes are awaited from now on. For those of an exchange CheckBody
	// is to be called within the Body timeout.
	Await()
	// Watch says that CheckHandler is to be called within d, unless that is 0.
	Watch(d time.Duration)
}

// Wire is the Channel of an exchange.
type Wire interface {
	Channel
	// Compose puts together the header section of head.Status with the fields of h, or
	// a trailer section if that is 0. It notes what these say in head.Facts, whose
	// Length is unknown before, and refuses what an application may not send. Nothing
	// is sent, and nothing changes but what Commit and End go by.
	Compose(head *Head, h *asteri.Header) error
	// Commit sends the header section that was put together last: an interim response,
	// that of an upgrade, or a response, of which content is all there is if end.
	Commit(head *Head, content []byte, end bool)
	// SendFile queues n > 0 bytes of f from offset off as content. It takes over f and
	// closes it when it is sent or dropped.
	SendFile(f asteri.File, off, n int64) (queued int)
	// End queues the end of the response, with the trailer section that was put
	// together last if trailer.
	End(trailer bool)
	// Offered returns the status by which the client is told that protocol is spoken
	// from now on, or why that cannot be.
	Offered(protocol []byte) (status int, err error)
	// Become is called at the end of an exchange that becomes a tunnel. It returns
	// memory for that, to which what comes is passed on, and the Channel for what it
	// has to say.
	Become() (*Tunnel, Channel)
	// Recycle says, after the end of the exchange, that nobody holds on to it any
	// more. The protocol uses it again, which it does only when its stream is closed,
	// or returns false.
	Recycle() bool
}

// Head is what an exchange has decided about the head of a response.
type Head struct {
	// Status is that of the response, 0 for a trailer section.
	Status int
	// Facts is what the handler's fields say.
	Facts httpfield.ResponseFacts
	// Length is the Content-Length to be told, or httpfield.LengthUnknown.
	Length int64
	// Content says that there will be content, Fixed that it is Length bytes.
	Content, Fixed bool
	// Whole says that all of the response is known: nobody will read the request's
	// content.
	Whole bool
	// Last says that the connection is not to be used for another request.
	Last bool
	// ID says that the client is to be told the request's id.
	ID bool
}

// Party is who has what a client sends: an Exchange, or the Tunnel that it has become.
type Party interface {
	// Receive takes bytes from the client. An error, a httpfield.Malformed, says that
	// it is more than was announced: the stream is to be reset.
	Receive(p []byte) error
	// ReceiveEnd says that the client has sent all; trailer may be nil. An error, a
	// httpfield.Malformed, says that it is less than was announced.
	ReceiveEnd(trailer *asteri.Header) error
	// HalfClosed says that the client sends nothing more on its connection, though it
	// has not ended its streams: it may still read.
	HalfClosed()
	// Cancel says that the stream is gone: the client has reset it, or the connection
	// is lost.
	Cancel(cause error)
	// Shutdown says that the server drains. An exchange goes on; a tunnel is told.
	Shutdown()
	// Drained says that the queue has fallen below the low-water mark. It may be called
	// also when it was not above the high one.
	Drained()
	// Over tells whether it has ended: all is queued, or nothing will be.
	Over() bool
	// CheckWithin returns within which time CheckHandler is to be called; 0 for not at
	// all.
	CheckWithin() time.Duration
	// CheckHandler ends it if its handler has kept it and it has been its turn for too
	// long. It returns how long from now to look again, 0 for not before something new
	// has happened.
	CheckHandler() time.Duration
	// CheckBody ends a body of which nothing has come for the Body timeout. It returns
	// how long from now to look again, 0 if nothing is awaited.
	CheckBody() time.Duration
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
