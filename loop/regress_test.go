package loop_test

// What other event loops got wrong, or easily could have, held against this one
// over its public API.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// A response that is written and closed in one breath must not be cut off at
// what the socket buffer took.
func TestAnswerThenCloseArrivesWhole(t *testing.T) {
	want := pattern(8 << 20)
	for network, addr := range networks(t) {
		for _, linger := range []bool{false, true} {
			t.Run(network, func(t *testing.T) {
				leakcheck.Check(t)
				e := start(t, loop.Config{Loops: 1})
				answered := make(chan struct{})
				a := serve(t, e, addr, func(s *script) {
					s.onData = func(s *script, in []byte) (int, error) {
						s.Write(want)
						s.CloseWhenFlushed(linger)
						close(answered)
						return len(in), nil
					}
				})
				c := dial(t, a)
				send(t, c, "?")
				awaited(t, answered, "answer")
				onLoop(t, e.Loops()[0], func() {}) // the first flush is over: the buffers are full
				got, err := io.ReadAll(slow{c})
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes of %d, error %v", len(got), len(want), err)
				}
				if linger {
					must(t, c.Close())
				}
			})
		}
	}
}

// slow reads little at a time and lets others go first.
type slow struct{ io.Reader }

func (r slow) Read(p []byte) (int, error) {
	runtime.Gosched()
	return r.Reader.Read(p[:min(len(p), 8<<10)])
}

// A socket takes less than it is given whenever its buffer is nearly full. What
// is left must be sent later, in order, and the session told of the room.
func TestShortWritesLoseNothing(t *testing.T) {
	want := pattern(8<<20 + 12345)
	for network, addr := range networks(t) {
		t.Run(network, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			written, drained := make(chan int, 1), make(chan struct{}, 1)
			a := serve(t, e, addr, func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) {
					queued := 0
					for p, size := want, 1; len(p) > 0; size = size*7%65521 + 1 {
						n := min(size, len(p))
						queued = s.Write(p[:n])
						p = p[n:]
					}
					written <- queued
					return len(in), nil
				}
				s.onDrain = func(s *script) { drained <- struct{}{} }
			})
			c := dial(t, a)
			send(t, c, "?")
			if queued := awaited(t, written, "answer"); queued != len(want) {
				t.Errorf("%d bytes are queued of %d written in one callback", queued, len(want))
			}
			got := make([]byte, len(want))
			if n, err := io.ReadFull(slow{c}, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes of %d, error %v", n, len(want), err)
			}
			awaited(t, drained, "word that the queue is short")
		})
	}
}

// The end of input must not overtake input: a session that resumes reading gets
// the bytes that were kept for it before it is told that no more will come.
func TestEndOfInputComesAfterKeptBytes(t *testing.T) {
	for network, addr := range networks(t) {
		t.Run(network, func(t *testing.T) {
			leakcheck.Check(t)
			e := start(t, loop.Config{Loops: 1})
			held, resume, result := make(chan struct{}), make(chan struct{}), make(chan string, 1)
			a := serve(t, e, addr, func(s *script) {
				resumed, got := false, ""
				s.onData = func(s *script, in []byte) (int, error) {
					if !resumed {
						s.PauseRead()
						s.SetTimer(0, time.Millisecond)
						return 0, nil
					}
					got += string(in)
					return len(in), nil
				}
				// Timers run after the kept bytes were offered in this tick,
				// so that the end is seen before they are offered again.
				s.onTimer = func(s *script, _ loop.Timer) {
					close(held)
					<-resume
					resumed = true
					s.ResumeRead()
				}
				s.onEOF = func(s *script) {
					result <- got
					s.CloseWhenFlushed(false)
				}
			})
			c := dial(t, a)
			send(t, c, "all of it")
			awaited(t, held, "timer")
			must(t, c.(interface{ CloseWrite() error }).CloseWrite())
			close(resume)
			if got := awaited(t, result, "end of input"); got != "all of it" {
				t.Errorf("the session had got %q when it was told of the end", got)
			}
			expectEnd(t, c)
		})
	}
}

// Whatever state a connection is in, and whatever its peer does then, the loop
// must sleep while there is nothing to be done.
func TestIdleConnectionsDoNotSpin(t *testing.T) {
	stop := func(s *script, in []byte) (int, error) { s.PauseRead(); return 0, nil }
	wait := func(s *script, in []byte) (int, error) { return 0, nil }
	ignore := func(*script) {}
	flood := func(t *testing.T, c net.Conn) { floodUntilFull(t, c) }
	halfClose := func(t *testing.T, c net.Conn) {
		must(t, c.(interface{ CloseWrite() error }).CloseWrite())
	}
	reset := func(t *testing.T, c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			must(t, tcp.SetLinger(0))
		}
		must(t, c.Close())
	}
	for name, d := range map[string]struct {
		write func(s *script)
		peer  []func(t *testing.T, c net.Conn)
	}{
		"paused": {func(s *script) { s.onData = stop }, nil},
		"paused, peer half-closed": {
			func(s *script) { s.onData, s.onEOF = stop, ignore }, []func(*testing.T, net.Conn){halfClose}},
		"paused, peer gone": {
			func(s *script) { s.onData, s.onEOF = stop, ignore }, []func(*testing.T, net.Conn){reset}},
		"paused and full": {
			func(s *script) { s.onData = stop }, []func(*testing.T, net.Conn){flood}},
		"paused and full, peer half-closed": {
			func(s *script) { s.onData, s.onEOF = stop, ignore }, []func(*testing.T, net.Conn){flood, halfClose}},
		"paused and full, peer gone": {
			func(s *script) { s.onData, s.onEOF = stop, ignore }, []func(*testing.T, net.Conn){flood, reset}},
		"waits for more, peer half-closed": {
			func(s *script) { s.onData, s.onEOF = wait, ignore }, []func(*testing.T, net.Conn){halfClose}},
		"waits for more, peer gone": {
			func(s *script) { s.onData, s.onEOF = wait, ignore }, []func(*testing.T, net.Conn){reset}},
		"peer takes nothing": {
			func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) { s.Write(make([]byte, 8<<20)); return len(in), nil }
			}, nil},
		"peer takes nothing and sends on": {
			func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) {
					s.Write(make([]byte, 8<<20))
					s.PauseRead()
					return len(in), nil
				}
			}, []func(*testing.T, net.Conn){flood}},
		"closing, peer takes nothing": {
			func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) {
					s.Write(make([]byte, 8<<20))
					s.CloseWhenFlushed(true)
					return len(in), nil
				}
			}, []func(*testing.T, net.Conn){flood}},
		"lingering": {
			func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) { s.CloseWhenFlushed(true); return len(in), nil }
			}, nil},
	} {
		for network, addr := range networks(t) {
			t.Run(name+"/"+network, func(t *testing.T) {
				leakcheck.Check(t)
				e := start(t, loop.Config{Loops: 1, GracefulTimeout: 100 * time.Millisecond})
				called := make(chan struct{}, 1)
				a := serve(t, e, addr, func(s *script) {
					d.write(s)
					inner := s.onData
					s.onData = func(s *script, in []byte) (int, error) {
						select {
						case called <- struct{}{}:
						default:
						}
						return inner(s, in)
					}
				})
				c := dial(t, a)
				send(t, c, "?")
				awaited(t, called, "data at the session")
				for _, do := range d.peer {
					do(t, c)
				}
				expectQuiet(t, e)
			})
		}
	}
}

// floodUntilFull writes until nothing more is taken.
func floodUntilFull(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	for {
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	must(t, c.SetDeadline(time.Now().Add(patience)))
}

// Connections that abort others found ready in the same tick, while new ones
// reuse the numbers of their descriptors: no session may get what was meant for
// another, and none may be called after its end.
func TestReusedDescriptorsGetNoStaleEvents(t *testing.T) {
	leakcheck.Check(t)
	const rounds, clients = 60, 16
	e := start(t, loop.Config{Loops: 1})
	var wrong, late atomic.Int64
	live := map[*script]bool{} // the loop's
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.afterEnd = &late
		live[s] = true
		s.onData = func(s *script, in []byte) (int, error) {
			for ; len(in) >= 2; in = in[2:] {
				if binary.BigEndian.Uint16(in) != s.Info().Remote.Port() {
					wrong.Add(1)
				}
			}
			for other := range live { // any one: maps have no order
				if other != s {
					other.Abort(errors.New("made room"))
				}
				break
			}
			return len(in), nil
		}
		s.onClose = func(s *script, _ error) { delete(live, s) }
	})
	var open []net.Conn
	for range rounds {
		for len(open) < clients {
			open = append(open, dial(t, a))
		}
		release := hold(t, e.Loops()[0])
		for _, c := range open {
			port := c.LocalAddr().(*net.TCPAddr).Port
			c.Write(binary.BigEndian.AppendUint16(nil, uint16(port))) // those that were aborted meanwhile fail
		}
		release()
		onLoop(t, e.Loops()[0], func() {})
		kept := open[:0]
		for i, c := range open {
			if i%3 == 0 {
				c.Close()
			} else {
				kept = append(kept, c)
			}
		}
		open = kept
	}
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d times a session got bytes of another connection", n)
	}
	if n := late.Load(); n != 0 {
		t.Errorf("%d calls after OnClose", n)
	}
}

// Posts from many goroutines all run, once, in each one's order, and leave the
// connections their turn.
func TestWakeUpStorm(t *testing.T) {
	leakcheck.Check(t)
	const senders, each = 8, 5000
	e := start(t, loop.Config{Loops: 1})
	a := serve(t, e, "127.0.0.1:0", func(*script) {})
	l := e.Loops()[0]
	next := make([]int, senders) // the loop's
	var disorder atomic.Int64
	var all sync.WaitGroup
	for id := range senders {
		all.Go(func() {
			for i := range each {
				if !l.Post(func() {
					if next[id] != i {
						disorder.Add(1)
					}
					next[id]++
				}) {
					t.Error("the loop refuses a post")
				}
			}
		})
	}
	c := dial(t, a)
	for range 100 {
		ping(t, c)
	}
	all.Wait()
	onLoop(t, l, func() {
		for id, n := range next {
			if n != each {
				t.Errorf("sender %d: %d of %d posts ran", id, n, each)
			}
		}
	})
	if n := disorder.Load(); n != 0 {
		t.Errorf("%d posts ran out of order", n)
	}
}

// A timer may be late but not early.
func TestTimersAreNeverEarly(t *testing.T) {
	expectTimers(t, 0, 1, 31, 33, 64, 100)
}

// The time counts from when the timer is set, not from when the tick began: a
// session may have worked for long before.
func TestTimersOfABusySessionAreNeverEarly(t *testing.T) {
	expectTimers(t, 70, 1, 20, 50, 64)
}

// expectTimers sets timers of these lengths, each after so much work, all in
// milliseconds, and compares when they run out.
func expectTimers(t *testing.T, work byte, lengths ...byte) {
	t.Helper()
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	type ring struct{ want, got time.Duration }
	rings := make(chan ring, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		var set time.Time
		var want time.Duration
		s.onData = func(s *script, in []byte) (int, error) {
			for began := time.Now(); time.Since(began) < time.Duration(work)*time.Millisecond; {
			}
			want = time.Duration(in[0]) * time.Millisecond
			s.SetTimer(1, time.Hour) // set anew below, to an earlier time
			s.SetTimer(0, time.Millisecond)
			s.SetTimer(0, 0)
			set = time.Now()
			s.SetTimer(1, want)
			return len(in), nil
		}
		s.onTimer = func(_ *script, timer loop.Timer) {
			if timer != 1 {
				t.Errorf("timer %d runs out, which was stopped", timer)
			}
			rings <- ring{want, time.Since(set)}
		}
	})
	c := dial(t, a)
	for _, ms := range lengths {
		send(t, c, string([]byte{ms}))
		if r := awaited(t, rings, "timer"); r.got < r.want {
			t.Errorf("a timer of %v ran out after %v", r.want, r.got)
		}
	}
}

// A peer that sends without end gets a bounded share of a tick.
func TestFloodDoesNotStarveOthers(t *testing.T) {
	leakcheck.Check(t)
	const budget = 64 << 10 // what one connection may be read in a tick
	e := start(t, loop.Config{Loops: 1})
	flooded := 0 // the loop's
	sink := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(_ *script, in []byte) (int, error) { flooded += len(in); return len(in), nil }
	})
	served := make(chan int, 2)
	others := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(_ *script, in []byte) (int, error) { served <- flooded; return len(in), nil }
	})
	f, early, late := dial(t, sink), dial(t, others), dial(t, others)
	for _, c := range []net.Conn{early, late} {
		send(t, c, "?")
		awaited(t, served, "answer before the flood")
	}

	// One tick finds a peer that was ready before the flood, the flood, and one
	// that was ready after it. Whatever the order, the flood gets one share.
	release := hold(t, e.Loops()[0])
	send(t, early, "?")
	var sent atomic.Int64
	var flood sync.WaitGroup
	flood.Go(func() {
		for {
			n, err := f.Write(make([]byte, 32<<10))
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	waitFor(t, "flood", func() bool { return sent.Load() > 4*budget })
	send(t, late, "?")
	release()
	for range 2 {
		if n := awaited(t, served, "answer during the flood"); n > budget {
			t.Errorf("a peer was served after %d bytes of another one", n)
		}
	}
	f.Close()
	flood.Wait()
}

// A peer that takes nothing is given up in time.
func TestStalledPeerIsGivenUp(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1, WriteTimeout: 100 * time.Millisecond})
	causes := make(chan error, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.Write(make([]byte, 32<<20))
			s.CloseWhenFlushed(false)
			return len(in), nil
		}
		s.onClose = func(_ *script, cause error) { causes <- cause }
	})
	stalled := dial(t, a)
	send(t, stalled, "?")
	if cause := awaited(t, causes, "end of the stalled connection"); !errors.Is(cause, loop.WriteStalled) {
		t.Errorf("the stalled connection ended with %v", cause)
	}
}

// Draining is a state, not an end: what is queued is sent first.
func TestDrainSendsWhatIsQueued(t *testing.T) {
	want := pattern(4 << 20)
	for network, addr := range networks(t) {
		t.Run(network, func(t *testing.T) {
			leakcheck.Check(t)
			e, err := loop.New(loop.Config{Loops: 2, GracefulTimeout: patience})
			must(t, err)
			queued := make(chan struct{}, 1)
			a := serve(t, e, addr, func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) {
					s.Write(want)
					queued <- struct{}{}
					return len(in), nil
				}
			})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			c := dial(t, a)
			send(t, c, "?")
			awaited(t, queued, "answer")
			cancel()
			got, err := io.ReadAll(slow{c})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes of %d, error %v", len(got), len(want), err)
			}
			must(t, awaited(t, done, "end of Run"))
		})
	}
}

// A drain ends in the time it has, also with a peer that takes nothing.
func TestDrainExpires(t *testing.T) {
	leakcheck.Check(t)
	e, err := loop.New(loop.Config{Loops: 1, GracefulTimeout: 50 * time.Millisecond})
	must(t, err)
	queued, closed := make(chan struct{}, 1), make(chan error, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.Write(make([]byte, 32<<20))
			queued <- struct{}{}
			return len(in), nil
		}
		s.onClose = func(_ *script, cause error) { closed <- cause }
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	c := dial(t, a)
	send(t, c, "?")
	awaited(t, queued, "answer")
	cancel()
	err = awaited(t, done, "end of Run")
	var late *loop.DrainError
	if !errors.As(err, &late) || late.Connections != 1 || !errors.Is(err, loop.DrainExpired) {
		t.Errorf("Run returned %v", err)
	}
	if cause := awaited(t, closed, "end of the session"); !errors.Is(cause, loop.DrainExpired) {
		t.Errorf("the session ended with %v", cause)
	}
}

// unhurried is a session whose peer may be slow.
type unhurried struct{ *script }

func (unhurried) Unhurried() {}

// A peer that takes a little now and then is given up, unless it may; one that has been
// given everything, and is silent, is not slow.
func TestSlowPeerIsGivenUp(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1, WriteTimeout: patience, MinWriteRate: 1 << 20, WriteGrace: 100 * time.Millisecond})
	const size = 32 << 20
	causes := make(chan error, 3)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			switch in[0] {
			case 'u':
				s.Replace(unhurried{s})
				s.Write(make([]byte, size))
			case 's':
				s.Write(make([]byte, size))
			default:
				s.Write(in)
			}
			return len(in), nil
		}
		s.onClose = func(_ *script, cause error) { causes <- cause }
	})
	may, silent, slow := dial(t, a), dial(t, a), dial(t, a)
	send(t, may, "u")
	ping(t, silent)
	send(t, slow, "s")
	if cause := awaited(t, causes, "end of the slow connection"); !errors.Is(cause, loop.TooSlow) {
		t.Errorf("the slow connection ended with %v", cause)
	}
	ping(t, silent)
	if n, err := io.ReadFull(may, make([]byte, size)); err != nil {
		t.Errorf("a peer that may be slow got %d bytes: %v", n, err)
	}
}
