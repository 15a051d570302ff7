package loop_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/asteri/asteri-loop/loop"
)

// hog holds memory for its client: 256 KiB in the send queue for each byte that
// comes, or counted by Reserve.
type hog struct {
	echoSession
	counts bool
	shed   *atomic.Int64
	held   int
}

func (s *hog) OnData(in []byte) (int, error) {
	const each = 256 << 10
	if s.counts {
		s.held += each * len(in)
		s.conn.Reserve(each * len(in))
		s.conn.Write(in) // so that the client knows
		return len(in), nil
	}
	for range in {
		s.conn.Write(make([]byte, each))
	}
	return len(in), nil
}

func (s *hog) OnClose(err error) {
	s.conn.Reserve(-s.held)
	s.echoSession.OnClose(err)
}

// politeHog says goodbye.
type politeHog struct{ hog }

func (s *politeHog) OnShed() {
	s.shed.Add(1)
	s.conn.Reserve(-s.held)
	s.held = 0
	s.conn.Write([]byte("bye"))
	s.conn.CloseWhenFlushed(false)
}

func (s *politeHog) Idle() bool { return false }

// Those who hold the most are given up when memory is short, whatever they hold it in
// and on whichever loop they are; nobody else notices.
func TestGreatestHoldersAreShed(t *testing.T) {
	for name, counts := range map[string]bool{"queued": false, "counted": true} {
		t.Run(name, func(t *testing.T) {
			const budget = 16 << 20
			closed := make(chan error, 100)
			hogs := protocol{"hog", func(c loop.Conn) loop.Session {
				return &hog{echoSession: echoSession{conn: c, closed: closed}, counts: counts}
			}}
			e := start(t, loop.Config{Loops: 2, BufferBudget: budget, MaxQueued: budget}) // what one may queue is not the point here
			bad := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{hogs}})
			good := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}})
			honest := dial(t, good)
			ask := func(c net.Conn) {
				t.Helper()
				if _, err := c.Write([]byte("ping")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
			}
			for range 20 { // of 8 MiB each, less what the system takes
				c := dial(t, bad)
				_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
				for range 32 {
					_, _ = c.Write([]byte("x"))
				}
				ask(honest)
				ask(dial(t, good))
			}
			waitFor(t, "some are given up", func() bool { return e.Stats().ShedForMemory > 0 })
			waitFor(t, "there is memory", func() bool { return e.Stats().BufferBytes <= budget/10*9 })
			ask(honest)
			waitFor(t, "their sessions know", func() bool { return uint64(len(closed)) >= e.Stats().ShedForMemory })
			for range e.Stats().ShedForMemory {
				if err := <-closed; err != loop.Shed {
					t.Errorf("ended with %v", err)
				}
			}
		})
	}
}

// A session has the last word.
func TestSheddersSayGoodbye(t *testing.T) {
	var shed atomic.Int64
	closed := make(chan error, 100)
	p := protocol{"polite", func(c loop.Conn) loop.Session {
		return &politeHog{hog{echoSession: echoSession{conn: c, closed: closed}, counts: true, shed: &shed}}
	}}
	e := start(t, loop.Config{Loops: 1, BufferBudget: 1 << 20})
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{p}})
	small, large := dial(t, a), dial(t, a)
	for c, n := range map[net.Conn]int{small: 1, large: 2} {
		for range n {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _ = large.Write([]byte("x"))
	if got, err := io.ReadAll(large); string(got) != "xbye" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	waitFor(t, "its session knows", func() bool { return len(closed) == 1 })
	if err := <-closed; err != loop.Flushed || shed.Load() != 1 {
		t.Errorf("ended with %v, %d were told", err, shed.Load())
	}
	if _, err := small.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(small, make([]byte, 1)); err != nil {
		t.Errorf("the other is gone, too: %v", err)
	}
}

// Memory that another goroutine counts has connections given up, too: the loops need no
// event of their own.
func TestReliefFromElsewhere(t *testing.T) {
	e := start(t, loop.Config{Loops: 2, BufferBudget: 4 << 20})
	closed := make(chan error, 10)
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{protocol{"hog", func(c loop.Conn) loop.Session {
		return &hog{echoSession: echoSession{conn: c, closed: closed}, counts: true}
	}}}})
	dial(t, a)
	c := dial(t, a)
	for range 12 {
		_, _ = c.Write([]byte("x"))
	}
	if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	e.Budget().Reserve(1 << 20)
	defer e.Budget().Reserve(-1 << 20)
	e.Relieve()
	waitFor(t, "it is given up", func() bool { return len(closed) == 1 })
	if err := <-closed; err != loop.Shed {
		t.Errorf("ended with %v", err)
	}
}

// idler is idle until something comes.
type idler struct {
	echoSession
	busy bool
}

func (s *idler) OnData(in []byte) (int, error) {
	s.busy = in[len(in)-1] == 'b'
	return s.echoSession.OnData(in)
}

func (s *idler) Idle() bool { return !s.busy }
func (s *idler) OnShed()    { s.conn.CloseWhenFlushed(false) }

// Near the limit on connections those that have been idle for the longest make room,
// and never one that is at work.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	const limit = 32
	p := protocol{"idle", func(c loop.Conn) loop.Session { return &idler{echoSession: echoSession{conn: c}} }}
	e := start(t, loop.Config{Loops: 2, MaxConnections: limit})
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{p}})
	ask := func(c net.Conn, what string) error {
		if _, err := c.Write([]byte(what)); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	busy := dial(t, a)
	if err := ask(busy, "b"); err != nil {
		t.Fatal(err)
	}
	first := dial(t, a)
	if err := ask(first, "i"); err != nil {
		t.Fatal(err)
	}
	for n := range 4 * limit {
		if err := ask(dial(t, a), "i"); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	if _, err := first.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the one that was idle for the longest: %v", err)
	}
	if err := ask(busy, "b"); err != nil {
		t.Errorf("the one at work: %v", err)
	}
	if s := e.Stats(); s.ShedIdle < 3*limit || len(s.Refused) != 0 {
		t.Errorf("counted %d, refused %v", s.ShedIdle, s.Refused)
	}
}

// The program is told that memory is short, and that it is not any more.
func TestPressureIsTold(t *testing.T) {
	told := make(chan bool, 10)
	e := start(t, loop.Config{Loops: 1, BufferBudget: 1 << 20, OnPressure: func(high bool, _ int64) { told <- high }})
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}})
	c := dial(t, a)
	for _, step := range []struct {
		n    int64
		want bool
	}{{800 << 10, true}, {-800 << 10, false}} {
		e.Budget().Reserve(step.n)
		if _, err := c.Write([]byte("tick")); err != nil {
			t.Fatal(err)
		}
		if got := <-told; got != step.want {
			t.Errorf("after %d bytes: told %v", step.n, got)
		}
	}
}

// That all hold the same saves nobody.
func TestEqualHoldersAreShed(t *testing.T) {
	closed := make(chan error, 100)
	e := start(t, loop.Config{Loops: 1, BufferBudget: 4 << 20})
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{protocol{"hog", func(c loop.Conn) loop.Session {
		return &hog{echoSession: echoSession{conn: c, closed: closed}, counts: true}
	}}}})
	for range 4 {
		c := dial(t, a)
		for range 4 { // 1 MiB
			_, _ = c.Write([]byte("x"))
		}
	}
	waitFor(t, "one is given up", func() bool { return len(closed) > 0 })
	waitFor(t, "there is memory", func() bool { return e.Stats().BufferBytes < 4<<20/10*9 })
}
