package loop_test

import (
	"io"
	"net"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// A peer that sends more while its connection is closed still gets the answer,
// whatever becomes of the rest.
func TestLastBytesReachAPeerThatStillSends(t *testing.T) {
	asked, sent := make(chan struct{}), make(chan struct{})
	e := start(t, loop.Config{Loops: 1})
	ln, err := e.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{
		protocol{"last", func(c loop.Conn) loop.Session {
			return &script{Conn: c, onData: func(s *script, in []byte) (int, error) {
				s.Write([]byte("answer"))
				s.CloseWhenFlushed(false)
				close(asked)
				<-sent
				return len(in), nil
			}}
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	<-asked
	if _, err := c.Write([]byte("and more")); err != nil {
		t.Fatal(err)
	}
	close(sent)
	answer := make([]byte, len("answer"))
	if n, err := io.ReadFull(c, answer); err != nil {
		t.Errorf("read %q: %v", answer[:n], err)
	}
}

// A session that pauses when it knows of the end, and resumes, is told of it again.
func TestResumeTellsTheEndAgain(t *testing.T) {
	leakcheck.Check(t)
	e, err := loop.New(loop.Config{Loops: 1})
	must(t, err)
	e.Start()
	ends := 0
	a := serve(t, e, "127.0.0.1:0", func(s *script) {
		s.onData = func(_ *script, in []byte) (int, error) { return len(in), nil }
		s.onEOF = func(s *script) {
			if ends++; ends == 1 {
				s.PauseRead()
				s.ResumeRead()
				return
			}
			s.Write([]byte("twice"))
			s.CloseWhenFlushed(false)
		}
	})
	c := dial(t, a)
	must(t, c.(*net.TCPConn).CloseWrite())
	if got, err := io.ReadAll(c); err != nil || string(got) != "twice" {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, e.Close())
}
