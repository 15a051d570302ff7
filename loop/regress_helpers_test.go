package loop_test

import (
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

	"github.com/asteri/asteri-loop/loop"
)

// patience ends what hangs. Nothing passes or fails by how long it took.
const patience = 20 * time.Second

// script is a session made of functions; what is nil does the obvious. The
// functions run on the loop, where they may call the other methods.
type script struct {
	loop.Conn
	onData     func(s *script, in []byte) (int, error)
	onEOF      func(s *script)
	onDrain    func(s *script)
	onTimer    func(s *script, t loop.Timer)
	onShutdown func(s *script)
	onClose    func(s *script, cause error)
	ended      atomic.Bool
	afterEnd   *atomic.Int64 // counts calls after OnClose, of which there must be none
}

func (s *script) called() {
	if s.ended.Load() && s.afterEnd != nil {
		s.afterEnd.Add(1)
	}
}

func (s *script) OnData(in []byte) (int, error) {
	s.called()
	if s.onData == nil {
		s.Write(in)
		return len(in), nil
	}
	return s.onData(s, in)
}

func (s *script) OnEOF() {
	s.called()
	if s.onEOF == nil {
		s.CloseWhenFlushed(false)
		return
	}
	s.onEOF(s)
}

func (s *script) OnDrain() {
	s.called()
	if s.onDrain != nil {
		s.onDrain(s)
	}
}

func (s *script) OnTimer(t loop.Timer) {
	s.called()
	if s.onTimer != nil {
		s.onTimer(s, t)
	}
}

func (s *script) OnShutdown() {
	s.called()
	if s.onShutdown == nil {
		s.CloseWhenFlushed(false)
		return
	}
	s.onShutdown(s)
}

func (s *script) OnClose(cause error) {
	s.called()
	s.ended.Store(true)
	if s.onClose != nil {
		s.onClose(s, cause)
	}
}

// scripted is the protocol whose sessions write prepares.
func scripted(write func(s *script)) loop.Protocol {
	return protocol{"script", func(c loop.Conn) loop.Session {
		s := &script{Conn: c}
		write(s)
		return s
	}}
}

// networks are the listen addresses of the kinds of stream sockets.
func networks(t *testing.T) map[string]string {
	return map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + filepath.Join(t.TempDir(), "s")}
}

func serve(t *testing.T, e *loop.Engine, addr string, write func(s *script)) net.Addr {
	t.Helper()
	return listen(t, e, loop.ListenConfig{Addr: addr, Protocols: []loop.Protocol{scripted(write)}})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, c io.Writer, p string) {
	t.Helper()
	_, err := io.WriteString(c, p)
	must(t, err)
}

// expect reads exactly want.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// ping wants an echo.
func ping(t testing.TB, c net.Conn) {
	t.Helper()
	send(t, c, "ping")
	expect(t, c, "ping")
}

// expectEnd reads until the server ends the connection, by a reset or not.
func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the connection is still open")
	}
}

// awaited returns what comes from a channel.
func awaited[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// onLoop runs fn on the loop and waits for it.
func onLoop(t testing.TB, l *loop.Loop, fn func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { defer close(done); fn() }) {
		t.Fatal("the loop has ended")
	}
	awaited(t, done, "turn on the loop")
}

// hold keeps the loop busy until the function it returns is called, so that
// what happens meanwhile is found in one tick.
func hold(t testing.TB, l *loop.Loop) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	if !l.Post(func() { close(held); <-free }) {
		t.Fatal("the loop has ended")
	}
	awaited(t, held, "hold of the loop")
	release = sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	return release
}

// expectQuiet fails if the loops turn while they have nothing to do. A loop that
// spins turns thousands of times in the window; a slow machine only makes it
// fewer.
func expectQuiet(t testing.TB, e *loop.Engine) {
	t.Helper()
	turns := func() (n uint64) {
		for _, l := range e.Stats().Loops {
			n += l.Ticks
		}
		return n
	}
	before := turns()
	time.Sleep(50 * time.Millisecond)
	if n := turns() - before; n > 50 {
		t.Errorf("idle loops turned %d times", n)
	}
}

// pattern returns n bytes that differ from their neighbourhood at any shift.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// expectSize reads exactly n bytes.
func expectSize(t testing.TB, c io.Reader, n int) {
	t.Helper()
	if got, err := io.CopyN(io.Discard, c, int64(n)); err != nil {
		t.Fatalf("read %d bytes of %d: %v", got, n, err)
	}
}

// pair returns two ends of a connection, one to be adopted.
func pair(t testing.TB) (fd int, other net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	f := os.NewFile(uintptr(fds[1]), "pair")
	defer f.Close()
	other, err = net.FileConn(f)
	must(t, err)
	must(t, other.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { other.Close() })
	return fds[0], other
}
