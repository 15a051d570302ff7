package http1

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/poison"
)

// ReadBody begins the delivery of the request body.
func (x *exchange) ReadBody(sink asteri.BodySink) {
	guard.Owned(x.home)
	x.kept = true
	switch {
	case x.over:
		x.call(guard.Call{Kind: guard.Error, Sink: sink, Err: x.endCause()})
		return
	case x.sink != nil:
		x.call(guard.Call{Kind: guard.Error, Sink: sink, Err: httpfield.Misuse("the body is being read already")})
		return
	}
	x.sink = sink
	s := x.session
	switch {
	case s.phase == phaseDrop:
		x.failBody(asteri.ErrHalfClosed)
		return
	case s.body.done():
		x.endBody(nil)
		return
	case x.expects100 && !x.started:
		x.send(continueLine)
	}
	x.expects100 = false
	if !s.inData {
		s.resume()
		s.arm()
	}
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

func (x *exchange) endCause() error {
	if x.cause != nil {
		return x.cause
	}
	return asteri.ErrClosed
}

// Consumed gives back a part of the body window.
func (x *exchange) Consumed(n int) {
	guard.Owned(x.home)
	x.window -= n
	if s := x.session; s != nil && s.x == x && s.phase == phaseBody && !s.inData && x.window < asteri.BodyWindow {
		s.resume()
		s.arm()
	}
}

func (x *exchange) deliver(p []byte) {
	x.window += len(p)
	x.call(guard.Call{Kind: guard.Body, Sink: x.sink, P: p})
	poison.Fill(p)
}

// endBody and failBody make the last call of the sink.
func (x *exchange) endBody(trailer *asteri.Header) {
	if x.sink != nil && !x.bodyEnded {
		x.bodyEnded = true
		x.call(guard.Call{Kind: guard.End, Sink: x.sink, Trailer: trailer})
	}
}

func (x *exchange) failBody(err error) {
	if x.sink != nil && !x.bodyEnded {
		x.bodyEnded = true
		x.call(guard.Call{Kind: guard.Error, Sink: x.sink, Err: err})
	}
}
