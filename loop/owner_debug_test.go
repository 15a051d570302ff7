//go:build asteridebug

package loop_test

import (
	"bytes"
	"testing"

	"github.com/asteri/asteri-loop/internal/system/poison"
	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// Bytes that a session keeps though it has consumed them are spoilt.
func TestKeptInputIsSpoilt(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	kept := make(chan []byte, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(_ *script, in []byte) (int, error) { kept <- in; return len(in), nil }
	})
	send(t, dial(t, a), "a secret")
	p := awaited(t, kept, "input")
	onLoop(t, e.Loops()[0], func() {
		if n := bytes.Count(p, []byte{poison.Byte}); n != len(p) {
			t.Errorf("%q is left", p)
		}
	})
}
