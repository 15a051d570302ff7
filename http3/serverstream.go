package http3

import (
	"context"
	"errors"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// serverStream is a request stream. Its side towards the exchange, or the tunnel, on it is
// exchange.Wire. What is above home belongs to the reader until it posts the request, and
// is not changed from then on.
type serverStream struct {
	x       *exchange.Exchange // nil if it has become a tunnel
	session *session
	str     *quic.Stream
	id      quic.StreamID
	window  window

	head        *httpfield.RequestHead
	refusal     *asteri.StatusError
	headEnds    bool // nothing follows the head
	unread      bool // what follows is not read, since the head was not
	serveOnHome func()

	// the reader's throughout
	in    reader
	piece *piece // content that was read and not yet posted

	// home
	party   exchange.Party // x, or the tunnel
	state   streamState
	out     output
	serving bool // the handler is being called for the first time
	reading bool // the reader is at work
	left    bool // the session has forgotten it
	unwatch func() bool
}

var _ exchange.Wire = (*serverStream)(nil)

func newServerStream() *serverStream {
	st := &serverStream{}
	st.window.opened = make(chan struct{}, 1)
	st.in.waits = st.passOn
	st.serveOnHome = st.serve
	return st
}

// open prepares st for a new request.
func (st *serverStream) open(n *session, str *quic.Stream) {
	if st.x == nil {
		st.x = new(exchange.Exchange)
	}
	st.party = st.x
	st.session, st.str, st.id = n, str, str.StreamID()
	st.in.reset(str)
	st.window.reset(asteri.BodyWindow)
	st.refusal, st.headEnds, st.unread = nil, false, false
	st.out.reset()
	st.out.queue.CountBy(n)
	st.state, st.reading, st.left = streamOpen, false, false
	st.unwatch = nil
}

// post runs fn on the home. It may be called from any goroutine.
func (st *serverStream) post(fn func()) bool { return st.session.at.Home.Post(fn) }

// serve hands the request to the handler. It is the first that the home hears of it.
func (st *serverStream) serve() {
	st.session.came()
	st.reading = !st.headEnds && !st.unread
	if err := st.session.enter(st); err != nil {
		st.left = true
		st.state = streamClosed
		st.cancel(streamCode(err, codeRequestCancelled))
		st.window.close()
		st.str.ReleaseStreamCredit()
		return
	}
	st.serving = true
	if st.refusal == nil && st.session.server.engine.Heavy(st.session.Held()) {
		st.refusal = httpfield.ErrMemory
	}
	defer st.served() // also by a handler that ends the goroutine
	st.x.HeadDone(st.head)
	st.x.Serve(st.headEnds, st.refusal)
}

// served is called when the handler has returned.
func (st *serverStream) served() {
	heads.Put(st.head)
	st.head = nil
	st.serving = false
	st.uncork()
	if st.unread {
		st.cancelRead(codeNo)
	}
	if st.session.stopping {
		st.party.Shutdown()
	}
	if st.state == streamOpen {
		st.watch()
	}
	st.Watch(st.party.CheckWithin())
	st.settle()
	// One that was done at a stroke has no other goroutine, now or before, that
	// still knows it; any other is left to the garbage collector.
	if st.left && st.headEnds && st.state == streamSent && st.x != nil && st.x.Reusable() && st.x.Retire() {
		streams.Put(st)
	}
}

// Recycle does not have the stream used again: goroutines of its own may know it.
func (st *serverStream) Recycle() bool { return false }

// refuseStream ends a stream of which no request came to be. The reader calls it.
func (st *serverStream) refuseStream(err error) {
	n := st.session
	var broken connError
	if errors.As(err, &broken) {
		n.fail(broken)
		return
	}
	st.cancel(streamCode(err, codeRequestIncomplete))
	st.post(func() {
		n.came()
		st.str.ReleaseStreamCredit()
		n.at.Observe(asteri.Record{Peer: n.peer(), Err: err})
		n.failed(err)
	})
}

// watch has the handler told when the client loses interest in the response. A
// client that has done so already is noticed at once.
func (st *serverStream) watch() {
	ctx := st.str.Context()
	st.unwatch = context.AfterFunc(ctx, func() {
		st.post(func() { st.leftByClient(context.Cause(ctx)) })
	})
}

func (st *serverStream) stopWatching() {
	if st.unwatch != nil {
		st.unwatch()
		st.unwatch = nil
	}
}

// setPriority tells QUIC how urgent the response is.
func (st *serverStream) setPriority(p httpfield.Priority, said bool) {
	if said {
		st.str.SetPriority(int8(p.Urgency), p.Incremental)
	}
}

// received takes content from the reader.
func (st *serverStream) received(p []byte) {
	if st.state == streamClosed {
		return
	}
	if err := st.party.Receive(p); err != nil {
		st.malformed(err)
	}
}

// inputEnded is the reader's last word on a request that is complete.
func (st *serverStream) inputEnded(trailer *asteri.Header) {
	defer st.readerDone()
	if st.state != streamClosed {
		if err := st.party.ReceiveEnd(trailer); err != nil {
			st.malformed(err)
		}
	}
}

// readerDone is called when nothing more comes from the reader.
func (st *serverStream) readerDone() {
	st.reading = false
	st.settle()
}

// inputFailed is the reader's last word on one that is not. Our own doing is no news,
// and once all of the response is there, it goes on. Otherwise a client that resets its
// request wants no answer (RFC 9114 section 4.1.1).
func (st *serverStream) inputFailed(err error) {
	defer st.readerDone()
	var one streamError
	_, byUs := isReset(err)
	switch {
	case errors.As(err, &one):
		st.malformed(err)
	case st.party.Over(), byUs, errors.Is(err, asteri.ErrClosed):
	default:
		st.leftByClient(err)
	}
}

// leftByClient ends the stream of a client that has reset it, or is gone.
func (st *serverStream) leftByClient(err error) {
	if byClient, _ := isReset(err); byClient && st.state != streamClosed {
		st.session.failed(err)
	}
	st.end(lost, goneCause(err))
}

// malformed ends the stream of a request that is not as it should be.
func (st *serverStream) malformed(err error) {
	if st.state == streamClosed {
		return
	}
	st.session.failed(streamError{streamCode(err, codeMessage), err.Error()})
	st.cancel(streamCode(err, codeMessage))
	st.end(lost, err)
}

// cancel resets what is open of the stream.
func (st *serverStream) cancel(code errorCode) {
	st.stopWatching()
	st.cancelRead(code)
	if st.state != streamSent {
		st.str.CancelWrite(quic.StreamErrorCode(code))
	}
}

func (st *serverStream) cancelRead(code errorCode) {
	st.str.CancelRead(quic.StreamErrorCode(code))
}

// Done lets the rest of the request come if it is so little that the client
// needs no leave to send it, and comes soon: a client that is told to stop in the
// middle of its request is perhaps not prepared for that. Others are told (RFC 9114
// section 4.1).
func (st *serverStream) Done() {
	if st.x == nil {
		st.End(false)
	}
	if st.state == streamClosed || !st.reading || st.x != nil && st.x.BodyEnded() {
		return
	}
	if st.x != nil && st.x.Request().ContentLength-st.x.Received() > int64(st.session.server.cfg.StreamWindow) {
		st.cancelRead(codeNo)
		st.window.close()
		return
	}
	_ = st.str.SetReadDeadline(now().Add(exchange.DiscardTime))
	st.window.finish(st.session.server.cfg.StreamWindow)
}

// Credit lets the reader go on.
func (st *serverStream) Credit(n int) { st.window.give(n) }

// Reserve counts memory against the connection.
func (st *serverStream) Reserve(n int) { st.session.Reserve(n) }

// Room is not known: QUIC has the windows.
func (st *serverStream) Room() int { return asteri.BodyWindow }

// Watch has the handler looked at.
func (st *serverStream) Watch(d time.Duration) { st.session.watchHandlers(d) }

// Await has the body's deadline watched.
func (st *serverStream) Await() { st.session.awaitBody() }

// Offered implements exchange.Wire.
func (st *serverStream) Offered(protocol []byte) (status int, err error) {
	return st.x.OfferedConnect(protocol)
}

// Become has the stream go on as a tunnel.
func (st *serverStream) Become() (*exchange.Tunnel, exchange.Channel) {
	st.x.Vacate()
	t := new(exchange.Tunnel)
	st.x, st.party = nil, t
	return t, st
}
