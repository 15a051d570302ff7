package http3_test

import (
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/loop"
)

// A client that holds more than there is memory for is given up, and the others go on:
// what its streams have waiting is counted, whoever has it, and given back.
func TestShed(t *testing.T) {
	const budget, size = 8 << 20, 1 << 20
	s := serveOn(t, loop.Config{BufferBudget: budget}, http3.Config{}, func(x asteri.Exchange) {
		n := 2
		if string(x.Request().Path) == "/large" {
			n = size
		}
		_ = x.Respond(200, nil, make([]byte, n))
	})
	honest, greedy := s.dial(), s.dial()
	wantServed(t, honest)
	for range 2 * budget / size { // nothing of which is read
		str, err := greedy.OpenStream()
		if err != nil {
			break // it is given up already
		}
		give(t, str, request("GET", "/large"), true)
	}
	wantClosed(t, greedy, 0x107) // H3_EXCESSIVE_LOAD
	wantServed(t, honest)
	wantServed(t, s.dial())
	eventually(t, "the memory is given back", func() bool { return s.loop.Stats().BufferBytes < 64<<10 })
}
