package loop

import (
	"testing"

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

// BenchmarkTick is a tick of a loop in which one connection asks and is answered.
func BenchmarkTick(b *testing.B) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	l := e.loops[0]
	l.owner.take()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer closeFD(fds[1])
	c := l.attach(fds[0], adopted, ConnInfo{Network: "unix"})
	c.session = &benchSession{conn: c}
	c.updateInterest()
	p := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, errno := sysWrite(fds[1], p); errno != 0 {
			b.Fatal(errno)
		}
		l.tick()
		if _, errno := sysRead(fds[1], p); errno != 0 {
			b.Fatal(errno)
		}
	}
}

// BenchmarkDeliver is the loop's share of a request without the system's calls.
func BenchmarkDeliver(b *testing.B) {
	e, err := New(Config{Loops: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	l := e.loops[0]
	l.owner.take()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer closeFD(fds[1])
	c := l.attach(fds[0], adopted, ConnInfo{Network: "unix"})
	c.session = &benchSession{conn: c}
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
