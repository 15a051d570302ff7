package loop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// Who was let in by the system before the drain began, and has asked something,
// is answered, however many they are.
func TestBacklogIsServedAtDrain(t *testing.T) {
	const clients = 200 // more than are accepted at once
	for network, addr := range networks(t) {
		for _, protocols := range map[string][]loop.Protocol{"one": {scripted(func(*script) {})}, "detected": {refusing{}, scripted(func(*script) {})}} {
			leakcheck.Check(t)
			e, err := loop.New(loop.Config{Loops: 2, GracefulTimeout: patience})
			must(t, err)
			a := listen(t, e, loop.ListenConfig{Addr: addr, Protocols: protocols})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			var releases []func()
			for _, l := range e.Loops() {
				releases = append(releases, hold(t, l))
			}
			conns := make([]net.Conn, clients)
			for i := range conns {
				conns[i] = dial(t, a)
				send(t, conns[i], "ping")
			}
			cancel()
			for _, release := range releases {
				release()
			}
			for _, c := range conns {
				if got, err := io.ReadAll(c); err != nil || string(got) != "ping" {
					t.Fatalf("%s: got %q, %v", network, got, err)
				}
			}
			must(t, awaited(t, done, "end of Run"))
		}
	}
}

// refusing is a protocol that nobody speaks, as their first bytes tell.
type refusing struct{}

func (refusing) Name() string { return "none" }
func (refusing) Match(_ string, head []byte) loop.Verdict {
	if len(head) == 0 {
		return loop.Maybe
	}
	return loop.No
}
func (refusing) NewSession(loop.Conn) loop.Session { return nil }

// A handshake that has begun is finished by a draining server, and the session
// then told.
func TestHandshakeIsFinishedAtDrain(t *testing.T) {
	leakcheck.Check(t)
	e, err := loop.New(loop.Config{Loops: 1, GracefulTimeout: patience})
	must(t, err)
	told := make(chan struct{}, 2)
	connect := serveTLS(t, e, func(s *script) {
		s.onShutdown = func(s *script) {
			s.Write([]byte("bye"))
			s.CloseWhenFlushed(false)
			told <- struct{}{}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var c *tls.Conn
	raw := connect().NetConn()
	gate := &gated{Conn: raw, wrote: make(chan struct{}), open: make(chan struct{})}
	c = tls.Client(gate, &tls.Config{InsecureSkipVerify: true})
	answer := make(chan string, 1)
	go func() {
		got, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		answer <- string(got)
	}()
	awaited(t, gate.wrote, "ClientHello")
	waitFor(t, "the handshake begins", func() bool { return e.Stats().Handshakes == 1 })
	cancel()
	waitFor(t, "the listener closes", func() bool {
		other, err := net.Dial("tcp", raw.RemoteAddr().String())
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	onLoop(t, e.Loops()[0], func() {})
	close(gate.open)
	if got := awaited(t, answer, "answer"); got != "bye" {
		t.Errorf("got %q", got)
	}
	must(t, awaited(t, done, "end of Run"))
	if len(told) != 1 {
		t.Errorf("the session was told %d times", len(told))
	}
}

// gated holds back what the server says until open.
type gated struct {
	net.Conn
	once        sync.Once
	wrote, open chan struct{}
}

func (g *gated) Write(p []byte) (int, error) {
	n, err := g.Conn.Write(p)
	g.once.Do(func() { close(g.wrote) })
	return n, err
}

func (g *gated) Read(p []byte) (int, error) {
	<-g.open
	return g.Conn.Read(p)
}

// However many drain, sessions are told once and each caller comes back when the
// last connection is closed.
func TestDrainTwiceAtOnce(t *testing.T) {
	leakcheck.Check(t)
	e, err := loop.New(loop.Config{Loops: 1, GracefulTimeout: time.Hour})
	must(t, err)
	e.Start()
	var told atomic.Int64
	conns := make(chan loop.Conn, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) { conns <- s.Conn; return len(in), nil }
		s.onShutdown = func(*script) { told.Add(1) }
	})
	c := dial(t, a)
	send(t, c, "?")
	conn := awaited(t, conns, "connection")
	drained := make(chan struct{}, 2)
	for range 2 {
		go func() { e.Drain(); drained <- struct{}{} }()
	}
	waitFor(t, "the session is told", func() bool { return told.Load() > 0 })
	onLoop(t, e.Loops()[0], func() {})
	conn.Post(func() { conn.CloseWhenFlushed(false) })
	awaited(t, drained, "end of a drain")
	awaited(t, drained, "end of the other drain")
	must(t, e.Close())
	if n := told.Load(); n != 1 {
		t.Errorf("the session was told %d times", n)
	}
}

// A socket that is given to the loop in its last moments is closed as others are,
// and a session that fails in its last call does no harm.
func TestAdoptedAtTheEnd(t *testing.T) {
	leakcheck.Check(t)
	e, err := loop.New(loop.Config{Loops: 1})
	must(t, err)
	e.Start()
	l := e.Loops()[0]
	release := hold(t, l)
	closed := make(chan error, 10)
	var ends []int
	adopt := func() {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(t, err)
		ends = append(ends, fds[1])
		must(t, l.Adopt(fds[0], func(c loop.Conn) loop.Session {
			return &script{Conn: c, onClose: func(_ *script, cause error) {
				closed <- cause
				panic("the session is broken")
			}}
		}))
	}
	adopt() // in the tick of the end
	done := make(chan error, 1)
	go func() { done <- e.Close() }()
	// What is posted when the loop is about to end comes after its last tick.
	waitFor(t, "the engine stops", func() bool { return errors.Is(e.Listen("127.0.0.1:0", echo()), loop.ErrStopped) })
	adopt()
	release()
	must(t, awaited(t, done, "end of the engine"))
	for range 2 {
		awaited(t, closed, "end of a session")
	}
	for _, fd := range ends {
		must(t, unix.Close(fd))
	}
}

// A socket file that another server has put in our file's place is left alone.
func TestSocketFileOfAnotherServerStays(t *testing.T) {
	leakcheck.Check(t)
	path := filepath.Join(t.TempDir(), "s")
	e, err := loop.New(loop.Config{Loops: 1})
	must(t, err)
	must(t, e.Listen("unix:"+path, echo()))
	must(t, os.Remove(path))
	other, err := net.Listen("unix", path)
	must(t, err)
	must(t, e.Close())
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
	must(t, other.Close())
}

// A session that takes over a connection while the server drains is told so, though
// its predecessor was told before.
func TestReplacedWhileDraining(t *testing.T) {
	leakcheck.Check(t)
	e, err := loop.New(loop.Config{Loops: 1, GracefulTimeout: time.Hour})
	must(t, err)
	e.Start()
	conns, told := make(chan loop.Conn, 1), make(chan struct{}, 1)
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) { conns <- s.Conn; return len(in), nil }
		s.onShutdown = func(*script) { told <- struct{}{} } // and finish what was begun
	})
	c := dial(t, a)
	send(t, c, "upgrade")
	conn := awaited(t, conns, "connection")
	drained := make(chan struct{})
	go func() { e.Drain(); close(drained) }()
	awaited(t, told, "the first session is told")
	conn.Post(func() {
		conn.Replace(&script{Conn: conn, onShutdown: func(s *script) {
			s.Write([]byte("bye"))
			s.CloseWhenFlushed(false)
		}})
	})
	if got, err := io.ReadAll(c); err != nil || string(got) != "bye" {
		t.Errorf("got %q, %v", got, err)
	}
	awaited(t, drained, "end of the drain")
	if conn.Post(func() { t.Error("a function of a closed connection was run") }) {
		t.Error("a closed connection takes functions")
	}
	must(t, e.Close())
}
