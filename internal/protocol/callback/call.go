// Package callback calls into the code of handlers. Where that panics, or ends its
// goroutine by runtime.Goexit, one exchange or tunnel ends and the server goes on.
package callback

import (
	"runtime/debug"

	"github.com/asteri/asteri-loop"
)

// Invocation is a call into a handler's code. It is a value, not a closure, because one
// is made for each piece of content.
type Invocation struct {
	// Kind says which of the fields count.
	Kind    Kind
	Sink    asteri.BodySink
	P       []byte
	Trailer *asteri.Header
	Err     error
	Cancel  func(cause error)
	Fn      func()
}

// Kind is a function of a handler's.
type Kind uint8

// The kinds of calls, and what they use.
const (
	Body   Kind = iota // Sink, P
	End                // Sink, Trailer
	Error              // Sink, Err
	Cancel             // Cancel, Err
	Func               // Fn
)

// Do makes the call. crashed is called if it does not return. A goroutine that ends
// goes on ending afterwards: whoever owns it sees to that.
func (c *Invocation) Do(crashed func(*asteri.PanicError)) {
	returned := false
	defer func() {
		if !returned {
			crashed(Panicked(recover()))
		}
	}()
	switch c.Kind {
	case Body:
		c.Sink.OnBody(c.P)
	case End:
		c.Sink.OnEnd(c.Trailer)
	case Error:
		c.Sink.OnError(c.Err)
	case Cancel:
		c.Cancel(c.Err)
	case Func:
		c.Fn()
	}
	returned = true
}

// Serve is Do for the handler itself.
func Serve(h asteri.Handler, x asteri.Exchange, crashed func(*asteri.PanicError)) {
	returned := false
	defer func() {
		if !returned {
			crashed(Panicked(recover()))
		}
	}()
	h.ServeExchange(x)
	returned = true
}

// Panicked describes what recover returned, which is nothing for a goroutine that
// ends. The stack is that of the call: deferred functions run on top of it. A panic that
// was passed on from another goroutine has the stack of that already.
func Panicked(value any) *asteri.PanicError {
	if e, ok := value.(*asteri.PanicError); ok {
		return e
	}
	return &asteri.PanicError{Value: value, Stack: debug.Stack()}
}
