package loop_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/asteri/asteri-loop/loop"
)

// openOf returns how many connections of a protocol are open.
func openOf(e *loop.Engine, name string) (n int64) {
	for _, p := range e.Stats().Protocols {
		if p.Protocol == name {
			n += p.Open
		}
	}
	return n
}

func TestConnectionsAreCountedByProtocol(t *testing.T) {
	e, a := tlsEcho(t, loop.Config{Loops: 2})
	plain := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}})
	dial(t, a)
	waitFor(t, "a connection that has said nothing", func() bool { return openOf(e, "") == 1 })
	c, p := tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true}), dial(t, plain)
	for _, client := range []net.Conn{c, p} {
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if n := openOf(e, "echo"); n != 2 {
		t.Errorf("%d connections", n)
	}
	c.Close()
	p.Close()
	waitFor(t, "the ends of both", func() bool { return openOf(e, "echo") == 0 })
	if n := openOf(e, ""); n != 1 {
		t.Errorf("%d connections that have said nothing", n)
	}
}

func TestHandshakesAreCounted(t *testing.T) {
	e, a := tlsEcho(t, loop.Config{Loops: 1})
	cfg := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: tls.VersionTLS12, ServerName: "x"}
	for range 2 {
		c := tls.Client(dial(t, a), cfg)
		roundTrip(t, c, 10)
		c.Close()
	}
	if err := tls.Client(dial(t, a), &tls.Config{ServerName: "x"}).Handshake(); err == nil {
		t.Fatal("a certificate of nobody was accepted")
	}
	want := []loop.HandshakeStats{
		{Count: 1}, {Version: tls.VersionTLS12, Count: 1}, {Version: tls.VersionTLS12, Resumed: true, Count: 1},
	}
	waitFor(t, "three handshakes", func() bool { return len(e.Stats().Handshaken) == 3 })
	for i, got := range e.Stats().Handshaken {
		if got != want[i] {
			t.Errorf("%+v, want %+v", got, want[i])
		}
	}
}
