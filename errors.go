package asteri

import (
	"errors"
	"fmt"
	"net/http"
)

// Causes with which exchanges end or are cancelled. A cause may be wrapped.
var (
	// ErrClosed is returned by calls on an exchange that has ended.
	ErrClosed = errors.New("exchange has ended")
	// ErrHalfClosed: the client has sent all it will send, and may or may
	// not read on.
	ErrHalfClosed = errors.New("client closed its sending side")
	// ErrClientGone: the client reset the connection or the stream.
	ErrClientGone = errors.New("client disconnected")
	// ErrStopping: the server's time for a graceful stop is over.
	ErrStopping = errors.New("server is stopping")
	// ErrTimeout: a handler has kept its exchange for longer than it may: 504.
	ErrTimeout error = &StatusError{Code: http.StatusGatewayTimeout, Reason: "the handler did not answer in time"}
	// ErrAmbiguousPath refuses a request that is Ambiguous where that matters: 400.
	ErrAmbiguousPath error = &StatusError{Code: http.StatusBadRequest, Reason: "path hides dot segments"}
)

// StatusError is a refusal whose outcome is an HTTP status. Before the response
// has begun, aborting an exchange with it sends that status.
type StatusError struct {
	// Code is the status, 400 to 599.
	Code int
	// Reason says in a few words what was wrong. It is for logs and
	// counters; clients get it only for 4xx.
	Reason string
	// RetryAfter, in seconds, is sent as Retry-After if it is not 0.
	RetryAfter int
	// Err is why, if that is more than the Reason: errors.Is and errors.As find it.
	// A refusal whose client has left, as far as can be known, wraps
	// ErrHalfClosed, and counts as that and not as a failure.
	Err error
}

// Error returns the status and the reason.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Code, http.StatusText(e.Code), e.Reason)
}

// Unwrap returns Err.
func (e *StatusError) Unwrap() error { return e.Err }

// ResponseError is a mistake of the application in its response: a field that
// may not be sent, more or less content than announced, calls out of order.
type ResponseError struct {
	// Reason says what was wrong.
	Reason string
	// Name is the field in question, if there is one.
	Name string
}

// Error returns the reason and the field.
func (e *ResponseError) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("invalid response: %s: %q", e.Reason, e.Name)
	}
	return "invalid response: " + e.Reason
}

// PanicError is the cause with which an exchange ends whose handler panicked, or ended
// its goroutine by runtime.Goexit. errors.Is and errors.As do not find the value: a
// handler that panics with a *StatusError has failed, and refuses nothing.
type PanicError struct {
	// Value is what the handler panicked with; nil if it ended its goroutine.
	Value any
	// Stack is the stack of the goroutine, as debug.Stack returns it.
	Stack []byte
}

// Error names the value.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "handler ended its goroutine"
	}
	return fmt.Sprintf("handler panicked: %v", e.Value)
}
