package loop_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/asteri/asteri-loop/loop"
)

// halfClosing says its piece as soon as it hears of the peer, ends its sending
// side, and hears the peer out.
type halfClosing struct {
	echoSession
	said  bool
	heard []byte
	all   chan []byte
}

func (s *halfClosing) OnData(in []byte) (int, error) {
	if !s.said {
		s.said = true
		s.conn.Write(bytes.Repeat([]byte("x"), 3<<20))
		s.conn.CloseWrite()
		s.conn.Write([]byte("too late"))
	}
	s.heard = append(s.heard, in...)
	return len(in), nil
}

func (s *halfClosing) OnDrain() {}

func (s *halfClosing) OnEOF() {
	s.all <- s.heard
	s.conn.CloseWhenFlushed(false)
}

func TestCloseWrite(t *testing.T) {
	all := make(chan []byte, 1)
	p := protocol{"half", func(c loop.Conn) loop.Session {
		return &halfClosing{echoSession: echoSession{conn: c}, all: all}
	}}
	cert := selfSigned(t)
	e := start(t, loop.Config{Loops: 1})
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{p}, Plain: []loop.Protocol{p},
		TLS: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }})
	for _, c := range []net.Conn{dial(t, a), tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true})} {
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || len(got) != 3<<20 {
			t.Fatalf("%T: read %d bytes, %v", c, len(got), err)
		}
		if _, err := c.Write([]byte(" and goodbye")); err != nil {
			t.Fatal(err)
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if heard := <-all; string(heard) != "hello and goodbye" {
			t.Errorf("%T: the session heard %q", c, heard)
		}
	}
}
