package loop

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/poller"
)

// benchSession sends back what comes, and has a deadline for what comes next, as
// protocols have.
type benchSession struct {
	Session
	conn Conn
}

func (s *benchSession) OnData(in []byte) (int, error) {
	s.conn.Write(in)
	s.conn.SetTimer(0, 1e10)
	return len(in), nil
}

// benchConn is a connection of a loop that the benchmark runs itself, and the descriptor at
// its other end.
func benchConn(b *testing.B) (c *conn, peer int) {
	b.Helper()
	e, err := New(Config{Loops: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	l := e.loops[0]
	l.owner.take()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { closeFD(fds[1]) })
	c = l.attach(fds[0], adopted, ConnInfo{Network: "unix"})
	c.session = &benchSession{conn: c}
	return c, fds[1]
}

// BenchmarkTick is a tick of a loop in which one connection asks and is answered.
func BenchmarkTick(b *testing.B) {
	c, peer := benchConn(b)
	l := c.loop
	c.updateInterest()
	p := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, errno := sysWrite(peer, p); errno != 0 {
			b.Fatal(errno)
		}
		l.tick()
		if _, errno := sysRead(peer, p); errno != 0 {
			b.Fatal(errno)
		}
	}
}

// BenchmarkDeliver is the loop's share of a request without the system's calls.
func BenchmarkDeliver(b *testing.B) {
	c, _ := benchConn(b)
	l := c.loop
	c.want = poller.Readable
	p := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		c.deliver(p)
		c.afterInput()
		c.out.sentBytes(&l.chunks, c.out.size)
		c.isDirty = false
		l.dirty.conns = l.dirty.conns[:0]
		c.afterFlush()
	}
}

// What each connection costs while it is silent: a size class of the allocator.
func TestIdleConnectionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 416 {
		t.Errorf("a connection has %d bytes", n)
	}
}
