package callback_test

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

type sink struct{ got []string }

func (s *sink) OnBody(p []byte)        { s.got = append(s.got, "body "+string(p)) }
func (s *sink) OnEnd(t *asteri.Header) { s.got = append(s.got, "end "+string(t.Get("a"))) }
func (s *sink) OnError(err error)      { s.got = append(s.got, "error "+err.Error()) }

func TestCalls(t *testing.T) {
	s := new(sink)
	trailer := new(asteri.Header)
	trailer.Add("a", "b")
	cause := errors.New("gone")
	note := func(what string) { s.got = append(s.got, what) }
	for _, c := range []callback.Call{
		{Kind: callback.Body, Sink: s, P: []byte("x")},
		{Kind: callback.End, Sink: s, Trailer: trailer},
		{Kind: callback.Error, Sink: s, Err: cause},
		{Kind: callback.Cancel, Cancel: func(err error) { note("cancel " + err.Error()) }, Err: cause},
		{Kind: callback.Func, Fn: func() { note("func") }},
	} {
		c.Do(func(*asteri.PanicError) { t.Error("crashed") })
	}
	callback.Serve(asteri.HandlerFunc(func(asteri.Exchange) { note("serve") }), nil, nil)
	want := []string{"body x", "end b", "error gone", "cancel gone", "func", "serve"}
	if !slices.Equal(s.got, want) {
		t.Errorf("calls were %q", s.got)
	}
}

func panics() { panic("mistake") }

func TestPanic(t *testing.T) {
	for name, run := range map[string]func(func(*asteri.PanicError)){
		"Do": func(crashed func(*asteri.PanicError)) {
			c := callback.Call{Kind: callback.Func, Fn: panics}
			c.Do(crashed)
		},
		"Serve": func(crashed func(*asteri.PanicError)) {
			callback.Serve(asteri.HandlerFunc(func(asteri.Exchange) { panics() }), nil, crashed)
		},
	} {
		var got *asteri.PanicError
		run(func(err *asteri.PanicError) { got = err })
		if got == nil || got.Value != "mistake" || !bytes.Contains(got.Stack, []byte("callback_test.panics")) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestGoexit(t *testing.T) {
	var got *asteri.PanicError
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := callback.Call{Kind: callback.Func, Fn: runtime.Goexit}
		c.Do(func(err *asteri.PanicError) { got = err })
		returned = true
	}()
	<-done
	if got == nil || got.Value != nil || returned {
		t.Errorf("error is %v, and the goroutine went on: %t", got, returned)
	}
}

func TestNoAllocations(t *testing.T) {
	x := new(crasher)
	h := asteri.HandlerFunc(func(asteri.Exchange) {})
	if n := testing.AllocsPerRun(100, func() {
		c := callback.Call{Kind: callback.Func, Fn: nothing}
		c.Do(x.crashed)
		callback.Serve(h, nil, x.crashed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func nothing() {}

type crasher struct{ err error }

func (x *crasher) crashed(err *asteri.PanicError) { x.err = err }
