package http3

import (
	"context"
	"errors"
	"os"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/stream"
)

// serverStream is a request stream with its exchange. Its side towards the exchange
// is stream.Wire. What is above home belongs to the reader until it posts the
// request, and is not changed from then on.
type serverStream struct {
	stream.Exchange
	session *session
	str     *quic.Stream
	id      quic.StreamID
	in      reader
	window  window

	head        *httpfield.RequestHead
	refusal     *asteri.StatusError
	headEnds    bool // nothing follows the head
	unread      bool // what follows is not read, since the head was not
	serveOnHome func()

	// home
	out       output
	serving   bool // the handler is being called for the first time
	reading   bool // the reader is at work
	sent      bool // all was given to QUIC
	closed    bool // the stream was reset, or is lost
	abandoned bool // and its handler was told, which may still be at work
	left      bool // the session has forgotten it
	unwatch   func() bool
}

var _ stream.Wire = (*serverStream)(nil)

func newServerStream() *serverStream {
	st := &serverStream{}
	st.window.opened = make(chan struct{}, 1)
	st.serveOnHome = st.serve
	return st
}

// open prepares st for a new request.
func (st *serverStream) open(n *session, str *quic.Stream) {
	st.session, st.str, st.id = n, str, str.StreamID()
	st.in.reset(str)
	st.window.reset(asteri.BodyWindow)
	st.refusal, st.headEnds, st.unread = nil, false, false
	st.out.reset()
	st.reading, st.sent, st.closed, st.abandoned, st.left = false, false, false, false, false
	st.unwatch = nil
}

// post runs fn on the home. It may be called from any goroutine.
func (st *serverStream) post(fn func()) bool { return st.session.at.Home.Post(fn) }

// serve hands the request to the handler. It is the first that the home hears of it.
func (st *serverStream) serve() {
	st.reading = !st.headEnds && !st.unread
	if err := st.session.enter(st); err != nil {
		st.left = true
		st.cancelBoth(streamCode(err, codeRequestCancelled))
		st.drop(err)
		st.str.ReleaseStreamCredit()
		return
	}
	head := st.head
	st.head = nil
	st.serving = true
	if st.refusal != nil {
		st.Refuse(head, st.headEnds, st.refusal)
	} else {
		st.Serve(head, st.headEnds)
	}
	heads.Put(head)
	st.serving = false
	if st.unread {
		st.str.CancelRead(quic.StreamErrorCode(codeExcessiveLoad))
	}
	if st.session.stopping {
		st.Shutdown()
	}
	if !st.sent && !st.closed {
		st.watch()
	}
	st.settle()
}

// refuseStream ends a stream of which no request came to be. The reader calls it.
func (st *serverStream) refuseStream(err error) {
	n := st.session
	var broken connError
	if errors.As(err, &broken) {
		n.fail(broken)
		return
	}
	st.cancelBoth(streamCode(err, codeRequestIncomplete))
	st.str.ReleaseStreamCredit()
	st.post(func() { n.at.Observe(asteri.Record{Peer: &n.peer, Err: err}) })
}

// watch has the handler told when the client loses interest in the response. A
// client that has done so already is noticed at once.
func (st *serverStream) watch() {
	ctx := st.str.Context()
	st.unwatch = context.AfterFunc(ctx, func() {
		st.post(func() { st.lose(goneCause(context.Cause(ctx))) })
	})
}

// setPriority tells QUIC how urgent the response is.
func (st *serverStream) setPriority(p httpfield.Priority, said bool) {
	if said {
		st.str.SetPriority(int8(p.Urgency), p.Incremental)
	}
}

// received takes content from the reader.
func (st *serverStream) received(piece *[pieceSize]byte, n int) {
	if !st.closed {
		if err := st.Receive(piece[:n]); err != nil {
			st.malformed(err)
		}
	}
	pieces.Put(piece)
}

// inputEnded is the reader's last word on a request that is complete.
func (st *serverStream) inputEnded(trailer *asteri.Header) {
	st.reading = false
	if !st.closed {
		if err := st.ReceiveEnd(trailer); err != nil {
			st.malformed(err)
		}
	}
	st.settle()
}

// inputFailed is the reader's last word on one that is not. Our own doing is no
// news; a client that resets its request wants no answer (RFC 9114 section 4.1.1).
func (st *serverStream) inputFailed(err error) {
	st.reading = false
	var one streamError
	var reset *quic.StreamError
	switch {
	case st.closed || st.sent:
	case errors.As(err, &one):
		st.malformed(err)
	case errors.As(err, &reset) && !reset.Remote, errors.Is(err, asteri.ErrClosed):
	default:
		st.lose(goneCause(err))
	}
	st.settle()
}

// malformed ends the stream of a request that is not as it should be.
func (st *serverStream) malformed(err error) {
	st.cancelBoth(streamCode(err, codeMessage))
	st.lose(err)
}

// lose cancels the exchange of a stream that is gone.
func (st *serverStream) lose(cause error) {
	if st.closed || st.left || st.sent && !st.reading {
		return
	}
	st.drop(cause)
	st.abandoned = !st.Over()
	st.Cancel(cause)
	st.settle()
}

// drop closes the stream in both directions and frees what it has queued.
func (st *serverStream) drop(cause error) {
	if st.closed {
		return
	}
	st.closed = true
	st.cancelBoth(resetCode(cause))
	st.window.close(asteri.ErrClosed)
	st.out.drop(st.session.at)
	st.stopWatching()
}

func (st *serverStream) cancelBoth(code quic.StreamErrorCode) {
	st.stopWatching()
	st.str.CancelRead(code)
	if !st.sent {
		st.str.CancelWrite(code)
	}
}

func (st *serverStream) stopWatching() {
	if st.unwatch != nil {
		st.unwatch()
		st.unwatch = nil
	}
}

// settle has the session forget the stream once nothing happens on it any more. Its
// exchange may be about to end just now, and its handler may be at work still.
func (st *serverStream) settle() {
	if st.left || st.serving || st.reading || !st.closed && !st.sent {
		return
	}
	st.left = true
	st.stopWatching()
	st.session.leave(st)
}

// Reset ends the stream for a reason that lies with the handler.
func (st *serverStream) Reset(cause error) {
	st.drop(cause)
	st.settle()
}

// StopReading tells the client that the rest of its request is not wanted (RFC 9114
// section 4.1).
func (st *serverStream) StopReading() {
	if st.closed || !st.reading {
		return
	}
	st.str.CancelRead(quic.StreamErrorCode(codeNo))
	st.window.close(asteri.ErrClosed)
}

// Credit lets the reader go on.
func (st *serverStream) Credit(n int) { st.window.give(n) }

// Await has the body's deadline watched.
func (st *serverStream) Await() { st.session.awaitBody() }

// Queued returns how many bytes wait to be sent.
func (st *serverStream) Queued() int { return st.out.queue.Len() }

// SendHead sends a header section.
func (st *serverStream) SendHead(fields []asteri.Field, end bool) (sent int) {
	if st.closed || st.sent {
		return 0
	}
	b := st.session.at.headers(fields)
	sent = len(b)
	st.sendRaw(b)
	if end {
		st.out.queue.End(nil)
		st.pump()
	}
	return sent
}

// Send sends content, or queues what cannot be sent now.
func (st *serverStream) Send(p []byte, end bool) (queued int) {
	if st.closed || st.sent || st.out.queue.Ended() {
		return 0
	}
	if st.sendNow(p) {
		p = nil
	}
	if len(p) > 0 {
		st.out.queue.Write(st.session.at.Local, p)
	}
	if end {
		st.out.queue.End(nil)
	}
	st.pump()
	return st.out.queue.Len()
}

// SendFile queues a part of a file.
func (st *serverStream) SendFile(f *os.File, off, n int64) (queued int) {
	if st.closed || st.sent || st.out.queue.Ended() {
		f.Close()
		return 0
	}
	st.out.queue.WriteFile(f, off, n)
	st.pump()
	return st.out.queue.Len()
}

// SendTrailer queues the end of the response with a trailer section.
func (st *serverStream) SendTrailer(trailer *asteri.Header) {
	if st.closed || st.sent || st.out.queue.Ended() {
		return
	}
	st.out.queue.End(trailer)
	st.pump()
}
