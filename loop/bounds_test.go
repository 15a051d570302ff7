package loop_test

// What a connection may keep waiting, and for how long, when its session does not see
// to it.

import (
	"net"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// A session that writes on, whatever is queued, loses its connection in time, with the
// outcome told, and the memory is free again.
func TestQueuedOutputIsBounded(t *testing.T) {
	leakcheck.Check(t)
	const most = 1 << 20
	e := start(t, loop.Config{Loops: 1, MaxQueued: most, WriteTimeout: time.Hour})
	closed, queued := make(chan error, 1), make(chan int, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		longest := 0
		s.onTimer = func(s *script, _ loop.Timer) {
			longest = max(longest, s.Write(make([]byte, most/4)))
			s.SetTimer(0, time.Millisecond)
		}
		s.onClose = func(_ *script, cause error) { closed <- cause; queued <- longest }
		s.SetTimer(0, time.Millisecond)
	})
	dial(t, a) // which never reads
	if err := awaited(t, closed, "end of the session"); err != loop.QueueFull {
		t.Errorf("ended with %v", err)
	}
	if n := <-queued; n < most || n > most+most/4 {
		t.Errorf("at most %d bytes were queued", n)
	}
	waitFor(t, "the memory is free", func() bool { return e.Stats().BufferBytes == 0 })
}

// What waits in files takes no memory, a single write may be larger, and an adopted
// socket is its owner's business.
func TestWhatIsNotBounded(t *testing.T) {
	leakcheck.Check(t)
	const most = 1 << 20
	path := bigFile(t, 8*most)
	e := start(t, loop.Config{Loops: 1, MaxQueued: most})
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.SendFile(opened(t, path), 0, 8*most)
			if s.Full() {
				t.Error("files take memory")
			}
			s.Write(make([]byte, 8*most))
			if !s.Full() || s.Queued() != 16*most {
				t.Errorf("%d bytes are queued", s.Queued())
			}
			s.CloseWhenFlushed(false)
			return len(in), nil
		}
	})
	c := dial(t, a)
	send(t, c, "?")
	expectSize(t, c, 16*most)

	one, other := pair(t)
	must(t, e.Loops()[0].Adopt(one, func(c loop.Conn) loop.Session {
		for range 8 {
			c.Write(make([]byte, most))
		}
		c.CloseWhenFlushed(false)
		return &script{Conn: c}
	}))
	expectSize(t, other, 8*most)
}

// Who asks whether OnDrain will come, and stops then, never waits for ever; who has asked
// for other marks is told by these.
func TestCongestedPromisesOnDrain(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	for name, marks := range map[string][2]int{"default": {loop.HighWater, loop.LowWater}, "own": {32 << 10, 1}, "equal": {100, 100}} {
		t.Run(name, func(t *testing.T) {
			drained, below, at := make(chan struct{}, 8), make(chan bool, 1), make(chan bool, 1)
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.SetWaterMarks(marks[0], marks[1])
				s.onData = func(s *script, in []byte) (int, error) {
					s.Write(make([]byte, marks[0]-1))
					below <- s.Congested()
					s.Write([]byte("!"))
					at <- s.Congested()
					return len(in), nil
				}
				s.onDrain = func(s *script) {
					if s.Congested() || s.Queued() >= marks[1] {
						t.Errorf("OnDrain with %d bytes queued", s.Queued())
					}
					drained <- struct{}{}
				}
			})
			c := dial(t, a)
			send(t, c, "?")
			if <-below || !<-at {
				t.Error("the mark is not where it was set")
			}
			expectSize(t, c, marks[0])
			awaited(t, drained, "OnDrain")
		})
	}
}

// Marks that are set while something is queued count at once.
func TestMarksOfAFullQueue(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	drained := make(chan struct{}, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.Write(make([]byte, 1000))
			if s.Congested() {
				t.Error("congested by little")
			}
			if s.SetWaterMarks(1000, 500); !s.Congested() {
				t.Error("not congested at the mark")
			}
			return len(in), nil
		}
		s.onDrain = func(*script) { drained <- struct{}{} }
	})
	send(t, dial(t, a), "?")
	awaited(t, drained, "OnDrain")
}

// silent are ways not to look after a connection.
var silent = map[string]struct {
	write func(s *script)
	peer  func(t *testing.T, c net.Conn)
}{
	"nothing is said": {func(*script) {}, nil},
	"nothing is answered": {func(s *script) {
		s.onData = func(_ *script, in []byte) (int, error) { return len(in), nil }
	}, ask},
	"reading is paused": {func(s *script) {
		s.onData = func(s *script, _ []byte) (int, error) { s.PauseRead(); return 0, nil }
	}, ask},
	"the peer's end is ignored": {func(s *script) { s.onEOF = func(*script) {} },
		func(t *testing.T, c net.Conn) { must(t, c.(*net.TCPConn).CloseWrite()) }},
	"so it is while reading is paused": {func(s *script) {
		s.PauseRead()
		s.onEOF = func(*script) {}
	}, func(t *testing.T, c net.Conn) { must(t, c.(*net.TCPConn).CloseWrite()) }},
}

// A connection that nobody looks after has a deadline.
func TestIdleConnectionsEnd(t *testing.T) {
	for name, way := range silent {
		t.Run(name, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1, IdleTimeout: 50 * time.Millisecond})
			closed := make(chan error, 1)
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onClose = func(_ *script, cause error) { closed <- cause }
				way.write(s)
			})
			c := dial(t, a)
			if way.peer != nil {
				way.peer(t, c)
			}
			if err := awaited(t, closed, "end of the session"); err != loop.IdleExpired {
				t.Errorf("ended with %v", err)
			}
			expectEnd(t, c)
		})
	}
}

// watchful is a session that looks after itself.
type watchful struct{ *script }

func (watchful) Watchful() {}

// Whoever is in use, has a deadline of its own, or needs none, is let be.
func TestOthersAreNotIdle(t *testing.T) {
	leakcheck.Check(t)
	const limit = 40 * time.Millisecond
	e := start(t, loop.Config{Loops: 1, IdleTimeout: limit})
	ended := make(chan error, 10)
	kept := func(c loop.Conn) *script {
		return &script{Conn: c, onClose: func(_ *script, cause error) { ended <- cause }}
	}
	of := func(start func(c loop.Conn) loop.Session) net.Conn {
		return dial(t, listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{protocol{"kept", start}}}))
	}
	conns := []net.Conn{
		of(func(c loop.Conn) loop.Session { return watchful{kept(c)} }),
		of(func(c loop.Conn) loop.Session { return unhurried{kept(c)} }),
		of(func(c loop.Conn) loop.Session { c.SetTimer(2, time.Hour); return kept(c) }),
		of(func(c loop.Conn) loop.Session { // which is not idle
			s := kept(c)
			s.onTimer = func(s *script, _ loop.Timer) { s.Write([]byte("tick")) }
			s.onData = func(s *script, in []byte) (int, error) { s.Replace(watchful{s}); s.Write(in); return len(in), nil }
			s.SetTimer(0, time.Hour)
			return s
		}),
	}
	ping(t, conns[3])
	forgotten := make(chan error, 1)
	dial(t, serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onClose = func(_ *script, cause error) { forgotten <- cause }
	}))
	// By the time that it has ended, the others would have.
	for range 3 {
		if err := awaited(t, forgotten, "end of an idle one"); err != loop.IdleExpired {
			t.Errorf("ended with %v", err)
		}
		dial(t, serve(t, e, "127.0.0.1:0", func(s *script) {
			s.onClose = func(_ *script, cause error) { forgotten <- cause }
		}))
	}
	select {
	case err := <-ended:
		t.Errorf("one ended that was not idle: %v", err)
	default:
	}
	for _, c := range conns {
		ping(t, c)
	}
}
