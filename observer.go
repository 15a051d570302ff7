package asteri

import (
	"encoding/hex"
	"errors"
	"slices"
	"time"
)

// Observer is told how each exchange ended, and of requests that were refused
// before they became one. It is called on the exchange's executor, must not
// block, and must not keep the record or its slices.
type Observer interface {
	ExchangeDone(r *Record)
}

// TunnelObserver is an Observer that follows exchanges which become tunnels. An
// observer that does not is told of them by ExchangeDone, when they do.
type TunnelObserver interface {
	Observer
	// TunnelOpened is called in place of ExchangeDone, under the same rules.
	// What it returns, unless nil, is called at the tunnel's end, on the same
	// executor. It keeps what it needs of the request: the protocol keeps
	// nothing, for a tunnel may be idle for long.
	TunnelOpened(r *Record) TunnelClosed
}

// TunnelClosed takes the bytes that came and went through a tunnel, and why it ended:
// nil if its handler closed it.
type TunnelClosed func(bytesIn, bytesOut int64, cause error)

// OpenTunnel tells o, for a protocol, of an exchange that has become a tunnel. What
// it returns, unless nil, is to be called at the tunnel's end.
func OpenTunnel(o Observer, r *Record) TunnelClosed {
	if t, ok := o.(TunnelObserver); ok {
		return t.TunnelOpened(r)
	}
	o.ExchangeDone(r)
	return nil
}

// Record is what happened in one exchange.
type Record struct {
	// Request is nil if the head was refused before it could be parsed.
	Request *Request
	// Home is the executor that ExchangeDone is called on.
	Home Executor
	// Peer is the connection, never nil. Request.Peer may name a client behind
	// its other end.
	Peer *Peer
	// Status is the final status sent, 0 if none was.
	Status int
	// BytesIn and BytesOut count content, BytesSent counts content and head.
	BytesIn, BytesOut, BytesSent int64
	// Duration is from the complete head to the end of the response as the
	// handler made it, which may be before its last byte was sent.
	Duration time.Duration
	// Sending is the part of Duration from the head of the response on: how long a
	// client took what it was sent, or a handler made it. It is 0 if the response
	// was given whole.
	Sending time.Duration
	// Err is nil if the exchange ended cleanly, as far as its handler goes: what was
	// queued by then is perhaps not sent yet, and a file in it may turn out to be
	// shorter, which is logged.
	Err error
	// Header is the response header; nil if none was sent.
	Header *Header
}

// StatusClientClosed is nginx's status for a request whose client left before it was
// answered.
const StatusClientClosed = 499

// LeftFirst tells whether the client left before it had an answer of the handler's,
// whatever it was told in case it still reads.
func (r *Record) LeftFirst() bool {
	if r.Err == nil || !errors.Is(r.Err, ErrClientGone) && !errors.Is(r.Err, ErrHalfClosed) {
		return false
	}
	var refusal *StatusError
	return r.Status == 0 || r.Status == StatusClientClosed || errors.As(r.Err, &refusal)
}

// LoggedStatus is the status by which logs name the exchange: StatusClientClosed if the
// client left first, else Status.
func (r *Record) LoggedStatus() int {
	if r.LeftFirst() {
		return StatusClientClosed
	}
	return r.Status
}

// Handling is what handlers say of their work on a request, for its observer. It is
// in the request, belongs to whoever handles that, and may be empty.
type Handling struct {
	// ID names the request in logs, to the application and to the client.
	ID string
	// App names the application where there are several; Model is its worker
	// model.
	App, Model string
	// Worker is the process that did the work; 0 is this one.
	Worker int
	// Queued is how long the request waited for a worker, Worked how long a
	// worker had it, to the end of its response. If both are 0 and the exchange
	// ended cleanly, the handler ran at once, for as long as the exchange took.
	Queued, Worked time.Duration
	// Progress tells where the request is now. It is nil unless the handler knows
	// while it works.
	Progress Progress
	// Trace is the request's place in a trace, if it is in one.
	Trace Trace
}

// Trace is the place of a request in a distributed trace, in the words of W3C Trace
// Context. The zero value is none.
type Trace struct {
	TraceID [16]byte
	// SpanID is the server's span, which is the application's parent. ParentID is
	// the caller's; zero if the trace begins here.
	SpanID, ParentID [8]byte
	// Sampled says that the trace is recorded.
	Sampled bool
	// State is the tracestate that goes on to the application.
	State string
}

// IsZero tells that there is no trace: none has an id of zeros.
func (t *Trace) IsZero() bool { return t.TraceID == [16]byte{} }

// ID returns the trace id in hexadecimal, as it stands in logs.
func (t *Trace) ID() string { return hex.EncodeToString(t.TraceID[:]) }

// Observers makes one observer of several, which are told in order. Those that are
// nil are left out; it returns nil if none is left.
func Observers(list ...Observer) Observer {
	list = slices.DeleteFunc(slices.Clone(list), func(o Observer) bool { return o == nil })
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return observers(list)
}

type observers []Observer

var _ TunnelObserver = observers{}

// ExchangeDone tells all.
func (all observers) ExchangeDone(r *Record) {
	for _, o := range all {
		o.ExchangeDone(r)
	}
}

// TunnelOpened tells all, and remembers who wants to know of the end.
func (all observers) TunnelOpened(r *Record) TunnelClosed {
	var follow []TunnelClosed
	for _, o := range all {
		if closed := OpenTunnel(o, r); closed != nil {
			follow = append(follow, closed)
		}
	}
	if len(follow) == 0 {
		return nil
	}
	return func(bytesIn, bytesOut int64, cause error) {
		for _, closed := range follow {
			closed(bytesIn, bytesOut, cause)
		}
	}
}

// Progress is how far a request has come, for those who look on.
type Progress interface {
	// Place returns the process that has the request, 0 as long as none has, and
	// whether it has begun to work on it. It may be called from any goroutine.
	Place() (worker int, begun bool)
}
