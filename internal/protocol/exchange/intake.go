package exchange

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/system/poison"
)

// intake takes what a client sends to a sink: content, or the bytes of a tunnel. Bytes
// that nobody has asked for yet, or that its window does not admit, are kept; they are no
// more than the stream's window of flow control.
type intake struct {
	sink     asteri.BodySink
	received int64  // bytes so far
	window   int    // bytes delivered and not yet consumed
	kept     *Queue // bytes to be delivered; nil for none
	ended    bool   // the client has sent all
	told     bool   // the sink has had its last call
	closed   bool   // nobody wants what comes
	inSink   bool   // the sink is being called
	waking   bool   // deliverKept was posted
}

// taker is who has an intake.
type taker interface {
	local() *Local
	channel() Channel
	// store returns a Queue for what is kept.
	store() *Queue
	invoke(c callback.Invocation)
	// trailer is what the sink is told with the end.
	trailer() *asteri.Header
	// awaits is called when more or fewer bytes are awaited than before.
	awaits()
}

// forget lets go of a sink that has had its last call.
func (in *intake) forget() { in.sink, in.window = nil, 0 }

// busy tells whether the sink will be called, or something else of the intake.
func (in *intake) busy() bool { return in.sink != nil && !in.told || in.waking || in.inSink }

// close drops what is kept and what will come. Bytes that the sink is just being
// shown are dropped when its call returns.
func (in *intake) close(t taker) {
	in.closed = true
	if !in.inSink {
		in.drop(t)
	}
}

func (in *intake) drop(t taker) {
	if in.kept.Len() > 0 {
		in.kept.Drop(t.local())
	}
}

// read lets delivery begin: the end of what is empty at once, bytes that came
// before they were asked for in an event of their own.
func (in *intake) read(t taker) {
	switch {
	case in.kept.Len() > 0:
		in.wake(t)
	case in.ended:
		in.end(t)
	default:
		t.awaits()
	}
}

// consumed gives back n bytes of the window.
func (in *intake) consumed(t taker, n int) {
	in.window -= n
	if in.closed {
		return
	}
	if !in.ended {
		t.channel().Credit(n)
	}
	if in.kept.Len() > 0 {
		in.wake(t)
	} else {
		t.awaits()
	}
}

// wake has kept bytes delivered, never from within a call of the handler.
func (in *intake) wake(t taker) {
	if !in.waking && !in.inSink {
		in.waking = true
		t.local().Home.Post(func() { in.deliverKept(t) })
	}
}

// takes returns how many bytes would be delivered now.
func (in *intake) takes() int {
	if in.sink == nil || in.closed || in.kept.Len() > 0 {
		return 0
	}
	return max(asteri.BodyWindow-in.window, 0)
}

// deliverKept delivers what the window admits.
func (in *intake) deliverKept(t taker) {
	in.waking = false
	for in.sink != nil && !in.closed && in.kept.Len() > 0 && in.window < asteri.BodyWindow {
		p := in.kept.Peek(asteri.BodyWindow - in.window)
		in.deliver(t, p)
		if !in.closed { // else they are dropped already
			in.kept.Advance(t.local(), len(p))
		}
	}
	in.delivered(t)
}

// delivered tells the sink of the end, if it has had all before that.
func (in *intake) delivered(t taker) {
	switch {
	case in.closed || in.sink == nil || in.kept.Len() > 0:
	case in.ended:
		in.end(t)
	default:
		t.awaits()
	}
}

// take delivers p as far as the window admits, and keeps the rest.
func (in *intake) take(t taker, p []byte) {
	for n := min(in.takes(), len(p)); n > 0; n = min(in.takes(), len(p)) {
		in.deliver(t, p[:n])
		p = p[n:]
	}
	if len(p) > 0 && !in.closed {
		in.keep(t, p)
	}
	t.awaits()
}

func (in *intake) keep(t taker, p []byte) {
	if in.kept == nil {
		in.kept = t.store()
	}
	if in.kept.Len() == 0 {
		in.kept.CountBy(t.channel())
	}
	in.kept.Write(t.local(), p)
}

func (in *intake) deliver(t taker, p []byte) {
	in.window += len(p)
	in.inSink = true
	defer in.afterCall(t, p) // also of a sink that ends the goroutine
	t.invoke(callback.Invocation{Kind: callback.Body, Sink: in.sink, P: p})
}

func (in *intake) afterCall(t taker, p []byte) {
	poison.Fill(p)
	in.inSink = false
	if in.closed {
		in.drop(t)
	}
}

// end and fail make the last call of the sink.
func (in *intake) end(t taker) {
	if in.sink != nil && !in.told {
		in.told = true
		t.invoke(callback.Invocation{Kind: callback.End, Sink: in.sink, Trailer: t.trailer()})
	}
}

func (in *intake) fail(t taker, err error) {
	in.close(t)
	if in.sink != nil && !in.told {
		in.told = true
		t.invoke(callback.Invocation{Kind: callback.Error, Sink: in.sink, Err: err})
	}
}
