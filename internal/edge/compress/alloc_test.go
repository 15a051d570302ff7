//go:build !race

package compress

import (
	"testing"

	"github.com/asteri/asteri-loop"
)

// The race detector makes pools forget at random.

func TestNothingIsAllocatedForAClientThatSaysNothing(t *testing.T) {
	body := text(2000)
	head := fields("Content-Type: text/html", "ETag: \"a\"")
	h := compressor(t, func(x asteri.Exchange) { _ = x.Respond(200, head, body) })
	x := &nullExchange{request: request("GET", "User-Agent: x")}
	if n := testing.AllocsPerRun(200, func() { h.ServeExchange(x) }); n >= 1 {
		t.Errorf("%v allocations", n)
	}
	coded := &nullExchange{request: request("GET", "Accept-Encoding: gzip, zstd")}
	if n := testing.AllocsPerRun(200, func() { h.ServeExchange(coded) }); n > 3 {
		t.Errorf("%v allocations for a response that is coded", n)
	}
}

// nullExchange takes a whole response and forgets it.
type nullExchange struct {
	asteri.Exchange
	request asteri.Request
}

func (x *nullExchange) Request() *asteri.Request                  { return &x.request }
func (x *nullExchange) Respond(int, *asteri.Header, []byte) error { return nil }
func (x *nullExchange) Start(int, *asteri.Header) error           { return nil }
func (x *nullExchange) Write(p []byte) (int, error)               { return len(p), nil }
func (x *nullExchange) Finish(*asteri.Header) error               { return nil }

// keptExchange can be given back, once for each request.
type keptExchange struct {
	nullExchange
	released int
}

func (x *keptExchange) OnCancel(func(error))  {}
func (x *keptExchange) OnDrain(func())        {}
func (x *keptExchange) Home() asteri.Executor { return nil }
func (x *keptExchange) Release() bool         { x.released++; return true }

// A handler that keeps its exchange, answers later and gives it back, as the pool of
// workers does, pays for no exchange of ours either.
func TestReleasedExchangesAreUsedAgain(t *testing.T) {
	var kept asteri.Exchange
	head, body, cancelled := fields("Content-Type: text/html"), text(2000), func(error) {}
	h := compressor(t, func(x asteri.Exchange) { kept = x; x.OnCancel(cancelled) })
	for name, tc := range map[string]struct {
		accept string
		most   float64
	}{"plain": {"User-Agent: x", 0}, "coded": {"Accept-Encoding: gzip", 3}} {
		t.Run(name, func(t *testing.T) {
			x := &keptExchange{nullExchange: nullExchange{request: request("GET", tc.accept)}}
			serve := func() {
				h.ServeExchange(x)
				if kept.(asteri.Releaser).Release() {
					t.Error("released before its end")
				}
				if err := kept.Respond(200, head, body); err != nil {
					t.Error(err)
				}
				if !kept.(asteri.Releaser).Release() || kept.(asteri.Releaser).Release() {
					t.Error("not released, or twice")
				}
			}
			if n := testing.AllocsPerRun(200, serve); n > tc.most || x.released != 201 {
				t.Errorf("%v allocations, %d released", n, x.released)
			}
		})
	}
}
