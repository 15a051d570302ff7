package loop_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/loop"
)

func TestListenAddresses(t *testing.T) {
	e := start(t, loop.Config{Loops: 1})
	for addr, want := range map[string]string{
		"8080":                              "not a listen address",
		"127.0.0.1:http":                    "not a port number",
		"127.0.0.1:70000":                   "not a port number",
		"unix:":                             "needs a path",
		"unix:@abstract":                    "no permissions",
		"unix:/" + strings.Repeat("a", 120): "121 bytes",
		"fd://x":                            "not a file descriptor",
		"fd://0":                            "not a listening socket",
	} {
		err := e.Listen(addr, echo())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", addr, err, want)
		}
	}
	if err := e.Listen("127.0.0.1:0"); err == nil {
		t.Error("a listener without protocols was accepted")
	}
}

func TestInheritedListeners(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unixSocket, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, loop.Config{Loops: 2})
	for _, ln := range []net.Listener{tcp, unixSocket} {
		f, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		a := listen(t, e, loop.ListenConfig{Addr: fmt.Sprintf("fd://%d", f.Fd()), Protocols: []loop.Protocol{echo()}})
		f.Close()
		if a.String() != ln.Addr().String() {
			t.Errorf("address %v, want %v", a, ln.Addr())
		}
		roundTrip(t, dial(t, a), 100000)
		ln.Close()
	}
}

func TestUnixSocketMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	e := start(t, loop.Config{Loops: 1})
	listen(t, e, loop.ListenConfig{Addr: "unix:" + path, Mode: 0o600, Protocols: []loop.Protocol{echo()}})
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	other := filepath.Join(t.TempDir(), "file")
	os.WriteFile(other, []byte("precious"), 0o600)
	if err := e.Listen("unix:"+other, echo()); err == nil {
		t.Error("a file that is no socket was replaced")
	}
}

func TestPostKeepsOrderAndEnds(t *testing.T) {
	e, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	l := e.Loops()[0]
	const posters, each = 8, 2000
	last := make([]int, posters) // touched on the loop only
	var wg, ran sync.WaitGroup
	ran.Add(posters * each)
	for p := range posters {
		wg.Go(func() {
			for i := 1; i <= each; i++ {
				if !l.Post(func() {
					if last[p] != i-1 {
						t.Errorf("poster %d: %d ran after %d", p, i, last[p])
					}
					last[p] = i
					ran.Done()
				}) {
					t.Error("Post refused by a loop that runs")
				}
			}
		})
	}
	wg.Wait()
	ran.Wait()
	e.Close()
	if l.Post(func() { t.Error("ran after the end") }) {
		t.Error("Post accepted after the end")
	}
	if err := e.Listen("127.0.0.1:0", echo()); !errors.Is(err, loop.ErrStopped) {
		t.Errorf("Listen after the end: %v", err)
	}
}

func TestAdopt(t *testing.T) {
	e := start(t, loop.Config{Loops: 2})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	err = e.Loops()[1].Adopt(fds[0], func(c loop.Conn) loop.Session {
		if c.Loop() != e.Loops()[1] {
			t.Error("on another loop")
		}
		return &echoSession{conn: c, closed: closed}
	})
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "pair")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := e.Stats().Loops[1].Connections; n != 0 {
		t.Errorf("an adopted socket is counted as a connection: %d", n)
	}
	roundTrip(t, c, 1<<20)
	if err := <-closed; !errors.Is(err, loop.Flushed) {
		t.Errorf("closed with %v", err)
	}
}

// pausing is a session that pauses with its first bytes, and counts what it gets.
type pausing struct {
	echoSession
	got    int
	paused chan bool
	ended  chan int
}

func (s *pausing) OnData(in []byte) (int, error) {
	if s.got == 0 {
		s.conn.PauseRead()
		s.paused <- true
	}
	s.got += len(in)
	return len(in), nil
}

func (s *pausing) OnEOF() {
	select {
	case s.ended <- s.got:
	default: // it is told once more behind what a pause kept back
	}
}

// What was written to an adopted socket before its other end was closed is read, though
// the session had paused when that happened.
func TestAdoptedSocketIsReadToItsEnd(t *testing.T) {
	for _, size := range []int{1000, 200_000} { // less and more than the loop keeps for a session
		e := start(t, loop.Config{Loops: 1})
		l := e.Loops()[0]
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(t, err)
		must(t, unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
		s := &pausing{paused: make(chan bool, 1), ended: make(chan int, 1)}
		s.closed = make(chan error, 1)
		must(t, l.Adopt(fds[0], func(c loop.Conn) loop.Session { s.conn = c; return s }))
		f := os.NewFile(uintptr(fds[1]), "pair")
		_, err = f.Write([]byte("a"))
		must(t, err)
		awaited(t, s.paused, "pause")
		_, err = f.Write(make([]byte, size))
		must(t, err)
		must(t, f.Close())
		for before := e.Stats().Loops[0].Ticks; e.Stats().Loops[0].Ticks < before+10; { // in which it hears of that
			l.Post(func() {})
		}
		select { // told early, to a session that has paused
		case <-s.ended:
		default:
		}
		l.Post(s.conn.ResumeRead)
		if got := awaited(t, s.ended, "end of input"); got != 1+size {
			t.Errorf("%d of %d bytes", got, 1+size)
		}
		l.Post(func() { s.conn.Abort(nil) })
		awaited(t, s.closed, "close")
		must(t, e.Close())
	}
}

// timerSession records when its timers run out.
type timerSession struct {
	echoSession
	fired chan loop.Timer
}

func (s *timerSession) OnTimer(t loop.Timer) { s.fired <- t }

func TestTimers(t *testing.T) {
	e := start(t, loop.Config{Loops: 1})
	fired := make(chan loop.Timer, 10)
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{protocol{"timers", func(c loop.Conn) loop.Session {
		c.SetTimer(0, time.Hour)
		c.SetTimer(0, 150*time.Millisecond) // earlier than before
		c.SetTimer(1, 40*time.Millisecond)
		c.SetTimer(1, 80*time.Millisecond) // later than before
		c.SetTimer(2, 10*time.Millisecond)
		c.SetTimer(2, 0)
		return &timerSession{echoSession{conn: c}, fired}
	}}}})
	began := time.Now()
	dial(t, a)
	for i, want := range []struct {
		timer loop.Timer
		after time.Duration
	}{{1, 80 * time.Millisecond}, {0, 150 * time.Millisecond}} {
		if got := <-fired; got != want.timer {
			t.Errorf("timer %d fired as number %d", got, i)
		}
		if since := time.Since(began); since < want.after {
			t.Errorf("timer %d fired after %v, before %v", want.timer, since, want.after)
		}
	}
}

func TestMaxConnections(t *testing.T) {
	e := start(t, loop.Config{Loops: 2, MaxConnections: 3})
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}})
	conns := make([]net.Conn, 3)
	for i := range conns {
		conns[i] = dial(t, a)
		conns[i].Write([]byte("x"))
		io.ReadFull(conns[i], make([]byte, 1))
	}
	if _, err := dial(t, a).Read(make([]byte, 1)); err != io.EOF && !isReset(err) {
		t.Errorf("a fourth connection was let in: %v", err)
	}
	conns[0].Close()
	waitFor(t, "a free place", func() bool {
		c := dial(t, a)
		c.Write([]byte("x"))
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	})
}

// stubborn does not close when the server drains.
type stubborn struct{ echoSession }

func (s *stubborn) OnShutdown() {}

func TestDrainIsBounded(t *testing.T) {
	e, err := loop.New(loop.Config{Loops: 2, GracefulTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{protocol{"x", func(c loop.Conn) loop.Session {
		return &stubborn{echoSession{conn: c, closed: closed}}
	}}}})
	e.Start()
	c := dial(t, a)
	c.Write([]byte("x"))
	io.ReadFull(c, make([]byte, 1))
	var late *loop.DrainError
	if err := e.Drain(); !errors.As(err, &late) || *late != (loop.DrainError{Connections: 1}) {
		t.Errorf("Drain returned %v", err)
	}
	if err := <-closed; !errors.Is(err, loop.DrainExpired) {
		t.Errorf("closed with %v", err)
	}
	if _, err := net.Dial(a.Network(), a.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing after the drain: %v", err)
	}
	e.Close()
}

// hoarder takes nothing until it is told to.
type hoarder struct {
	echoSession
	resume chan loop.Conn
	got    *atomic.Int64
}

func (s *hoarder) OnData(in []byte) (int, error) {
	if s.resume != nil {
		s.conn.PauseRead()
		s.resume <- s.conn
		s.resume = nil
		return 0, nil
	}
	s.got.Add(int64(len(in)))
	return len(in), nil
}

func TestPausedReadingPushesBack(t *testing.T) {
	e := start(t, loop.Config{Loops: 1})
	resume, got := make(chan loop.Conn, 1), new(atomic.Int64)
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{protocol{"x", func(c loop.Conn) loop.Session {
		return &hoarder{echoSession{conn: c}, resume, got}
	}}}})
	c := dial(t, a)
	const size = 64 << 20
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, size))
		sent <- err
	}()
	conn := <-resume
	if used := e.Stats().BufferBytes; used > 1<<20 {
		t.Errorf("%d bytes are buffered for a paused session", used)
	}
	select {
	case <-sent:
		t.Error("a paused session took 64 MiB")
	default:
	}
	conn.Post(conn.ResumeRead)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all bytes", func() bool { return got.Load() == size })
}
