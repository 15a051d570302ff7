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
