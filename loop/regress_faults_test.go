package loop_test

// A session that fails takes its own connection down and nothing else, whichever
// call it fails in and however.

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

var failures = map[string]func(){
	"panic":  func() { panic("the session is broken") },
	"goexit": runtime.Goexit,
}

// faults says how to make a session fail in each of its calls.
var faults = map[string]struct {
	write func(s *script, fail func())
	peer  func(t *testing.T, c net.Conn)
}{
	"OnData": {
		func(s *script, fail func()) {
			s.onData = func(*script, []byte) (int, error) { fail(); return 0, nil }
		},
		ask,
	},
	"OnEOF": {
		func(s *script, fail func()) { s.onEOF = func(*script) { fail() } },
		func(t *testing.T, c net.Conn) { must(t, c.(*net.TCPConn).CloseWrite()) },
	},
	"OnTimer": {
		func(s *script, fail func()) {
			s.onData = func(s *script, in []byte) (int, error) { s.SetTimer(0, time.Millisecond); return len(in), nil }
			s.onTimer = func(*script, loop.Timer) { fail() }
		},
		ask,
	},
	"OnDrain": {
		func(s *script, fail func()) {
			s.onData = func(s *script, in []byte) (int, error) { s.Write(make([]byte, 1<<20)); return len(in), nil }
			s.onDrain = func(*script) { fail() }
		},
		ask,
	},
	"Post": {
		func(s *script, fail func()) {
			s.onData = func(s *script, in []byte) (int, error) { s.Post(fail); return len(in), nil }
		},
		ask,
	},
	"resumed OnData": {
		func(s *script, fail func()) {
			s.PauseRead()
			s.onData = func(*script, []byte) (int, error) { fail(); return 0, nil }
		},
		nil, // resumed below
	},
}

func ask(t *testing.T, c net.Conn) { t.Helper(); send(t, c, "?") }

func TestFailuresAreConfined(t *testing.T) {
	for call, f := range faults {
		for how, fail := range failures {
			t.Run(call+"/"+how, func(t *testing.T) {
				leakcheck.Check(t)
				e := start(t, loop.Config{Loops: 1})
				closed, victims := make(chan error, 1), make(chan loop.Conn, 1)
				bad := serve(t, e, "127.0.0.1:0", func(s *script) {
					s.onClose = func(_ *script, cause error) { closed <- cause }
					victims <- s.Conn
					f.write(s, fail)
				})
				good := serve(t, e, "127.0.0.1:0", func(*script) {})
				bystander := dial(t, good)
				ping(t, bystander)

				victim := dial(t, bad)
				conn := awaited(t, victims, "session")
				if f.peer != nil {
					f.peer(t, victim)
				} else {
					send(t, victim, "?")
					onLoop(t, e.Loops()[0], func() {}) // it has been read and kept
					conn.Post(conn.ResumeRead)
				}
				expectEnd(t, victim)
				if awaited(t, closed, "OnClose") == nil {
					t.Error("the session ended without a cause")
				}
				ping(t, bystander)
				ping(t, dial(t, good))
				if n := e.Stats().Loops[0].Panics; n != 1 {
					t.Errorf("%d failures are counted", n)
				}
			})
		}
	}
}

// Without a session there is nobody to tell, but the connection has to go.
func TestFailureInNewSession(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			bad := serve(t, e, "127.0.0.1:0", func(*script) { fail() })
			good := serve(t, e, "127.0.0.1:0", func(*script) {})
			// The reset may be as fast as the connection.
			if c, err := net.Dial("tcp", bad.String()); err == nil {
				must(t, c.SetDeadline(time.Now().Add(patience)))
				expectEnd(t, c)
				must(t, c.Close())
			}
			ping(t, dial(t, good))
			waitFor(t, "the failure is counted", func() bool { return e.Stats().Loops[0].Panics == 1 })
		})
	}
}

// OnClose is the last call: its failure has no connection left to end, but what
// else was to be closed in that tick is closed.
func TestFailureInOnClose(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			var ended atomic.Int64
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onClose = func(*script, error) { ended.Add(1); fail() }
			})
			clients := dialAll(t, a, 5)
			release := hold(t, e.Loops()[0])
			for _, c := range clients {
				must(t, c.Close())
			}
			release()
			waitFor(t, "every session ends", func() bool { return ended.Load() == 5 })
			waitFor(t, "no connection is counted", func() bool { return e.Stats().Loops[0].Connections == 0 })
			ping(t, dial(t, a))
		})
	}
}

// dialAll opens n connections and sees that each is served.
func dialAll(t *testing.T, a net.Addr, n int) []net.Conn {
	t.Helper()
	clients := make([]net.Conn, n)
	for i := range clients {
		clients[i] = dial(t, a)
		ping(t, clients[i])
	}
	return clients
}

// Timers that run out in the same tick are told one by one; a session that fails
// in between must not hold up the others.
func TestFailureAmongTimers(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			const sessions = 9
			e := start(t, loop.Config{Loops: 1})
			var rung atomic.Int64
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onTimer = func(s *script, timer loop.Timer) {
					if rung.Add(1)%2 == 0 {
						fail()
					}
				}
				s.onData = func(s *script, in []byte) (int, error) {
					s.SetTimer(0, 40*time.Millisecond)
					return len(in), nil
				}
			})
			var clients []net.Conn
			for range sessions {
				clients = append(clients, dial(t, a))
			}
			release := hold(t, e.Loops()[0])
			for _, c := range clients {
				send(t, c, "?")
			}
			release() // all are set in one tick
			waitFor(t, "every timer is told", func() bool { return rung.Load() == sessions })
		})
	}
}

// Every session hears of a stop, also when another one fails at the news.
func TestFailureAmongShutdowns(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			const sessions = 7
			e := start(t, loop.Config{Loops: 1, GracefulTimeout: time.Hour})
			var told atomic.Int64
			a := serve(t, e, "127.0.0.1:0", func(s *script) {
				s.onShutdown = func(s *script) {
					if told.Add(1)%2 == 0 {
						fail()
					}
					s.CloseWhenFlushed(false)
				}
			})
			clients := dialAll(t, a, sessions)
			drained := make(chan struct{})
			go func() { defer close(drained); e.Drain() }()
			awaited(t, drained, "end of the drain")
			if n := told.Load(); n != sessions {
				t.Errorf("%d of %d sessions were told", n, sessions)
			}
			for _, c := range clients {
				expectEnd(t, c)
			}
		})
	}
}

// Posts behind one that fails are not lost.
func TestFailureAmongPosts(t *testing.T) {
	for how, fail := range failures {
		t.Run(how, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			l := e.Loops()[0]
			release := hold(t, l)
			var order []int // the loop's
			for i := range 10 {
				l.Post(func() {
					order = append(order, i)
					if i%3 == 0 {
						fail()
					}
				})
			}
			release()
			onLoop(t, l, func() {
				for i, got := range order {
					if got != i {
						t.Errorf("posts ran as %v", order)
						break
					}
				}
				if len(order) != 10 {
					t.Errorf("%d of 10 posts ran", len(order))
				}
			})
		})
	}
}
