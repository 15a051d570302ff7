package loop_test

// What happens when several things come together in one tick, and when a session
// uses its connection from within its own calls.

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// reset ends a connection so that the server finds it gone at once.
func reset(t testing.TB, c net.Conn) {
	t.Helper()
	must(t, c.(*net.TCPConn).SetLinger(0))
	must(t, c.Close())
}

// bigFile returns the path of a file of size bytes.
func bigFile(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, os.Truncate(path, size))
	return path
}

func opened(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	return f
}

// The reset of a peer and the end of a file job may be found in the same tick:
// the descriptor must not be closed twice, since it may be somebody else's.
func TestResetTogetherWithTheEndOfAFileJob(t *testing.T) {
	leakcheck.Check(t)
	const size = 1 << 30
	path := bigFile(t, size)
	e := start(t, loop.Config{Loops: 1})
	l := e.Loops()[0]
	closed := make(chan error, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.SendFile(opened(t, path), 0, size)
			return len(in), nil
		}
		s.onClose = func(_ *script, cause error) { closed <- cause }
	})
	for range 20 {
		c := dial(t, a)
		send(t, c, "?")
		_, err := io.ReadFull(c, make([]byte, 1<<20))
		must(t, err)
		go io.Copy(io.Discard, c) // one job follows another
		release := hold(t, l)
		reset(t, c)
		release()
		awaited(t, closed, "end of the session")
		onLoop(t, l, func() {})
		if n := e.Stats().Loops[0].Connections; n != 0 {
			t.Fatalf("%d connections are open when the only one has ended", n)
		}
	}
}

// A timer set from within OnTimer must not delay one that is due before it.
func TestTimerSetWhileAnotherRunsOut(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	fired := make(chan loop.Timer, 3)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.SetTimer(0, time.Millisecond)
		s.SetTimer(1, 200*time.Millisecond)
		s.onTimer = func(s *script, timer loop.Timer) {
			fired <- timer
			if timer == 0 {
				s.SetTimer(2, time.Hour)
			}
		}
	})
	dial(t, a)
	for _, want := range []loop.Timer{0, 1} {
		if got := awaited(t, fired, "timer"); got != want {
			t.Errorf("timer %d fired, want %d", got, want)
		}
	}
}

// A timer that another one's call stops does not run out, though both were due.
func TestTimerStoppedWhileAnotherRunsOut(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	l := e.Loops()[0]
	fired := make(chan loop.Timer, 3)
	set := make(chan struct{})
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.SetTimer(0, time.Millisecond)
			s.SetTimer(1, time.Millisecond)
			close(set)
			return len(in), nil
		}
		s.onTimer = func(s *script, timer loop.Timer) {
			fired <- timer
			s.SetTimer(1-timer, 0)
		}
	})
	c := dial(t, a)
	send(t, c, "?")
	awaited(t, set, "timers")
	// Both are due when the loop looks at its timers again.
	onLoop(t, l, func() {
		for began := time.Now(); time.Since(began) < 100*time.Millisecond; {
		}
	})
	awaited(t, fired, "first timer")
	onLoop(t, l, func() {})
	onLoop(t, l, func() {})
	select {
	case timer := <-fired:
		t.Errorf("timer %d ran out after it was stopped", timer)
	default:
	}
}
