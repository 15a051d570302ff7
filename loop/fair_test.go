package loop_test

import (
	"io"
	"sync/atomic"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// A session that writes more whenever its peer has taken something, and a peer
// that takes all, leave the others their turn.
func TestEndlessWriterDoesNotStarveOthers(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	var ticks atomic.Uint64 // in which the writer was asked for more
	var twice atomic.Int64
	l := e.Loops()[0]
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		more := func(s *script) { s.Write(make([]byte, 300<<10)) }
		s.onData = func(s *script, in []byte) (int, error) { more(s); return len(in), nil }
		s.onDrain = func(s *script) {
			if now := e.Stats().Loops[0].Ticks; ticks.Swap(now+1) == now+1 {
				twice.Add(1)
			}
			more(s)
		}
	})
	c := dial(t, a)
	send(t, c, "?")
	_, err := io.CopyN(io.Discard, c, 64<<20)
	must(t, err)
	onLoop(t, l, func() {})
	if n := twice.Load(); n != 0 {
		t.Errorf("%d times the session was asked for more twice in a tick", n)
	}
}
