package loop_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// heldConn holds back what is written after hold, so that a test can send a
// handshake's last flight and application data in one segment.
type heldConn struct {
	net.Conn
	hold bool
	held []byte
}

func (c *heldConn) Write(p []byte) (int, error) {
	if c.hold {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *heldConn) release() error {
	c.hold = false
	_, err := c.Conn.Write(c.held)
	return err
}

func tlsEcho(t *testing.T, cfg loop.Config) (*loop.Engine, net.Addr) {
	t.Helper()
	server := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	e := start(t, cfg)
	return e, listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()},
		TLS: func() *tls.Config { return server }})
}

func TestDataWithTheClientsFinished(t *testing.T) {
	_, a := tlsEcho(t, loop.Config{Loops: 1})
	for range 20 {
		held := &heldConn{Conn: dial(t, a)}
		// With TLS 1.3 the client's second flight is its Finished.
		first := true
		c := tls.Client(writeHook{held, func() {
			if !first {
				held.hold = true
			}
			first = false
		}}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("with Finished")); err != nil {
			t.Fatal(err)
		}
		if len(held.held) == 0 {
			t.Fatal("nothing was held back")
		}
		if err := held.release(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 13)
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "with Finished" {
			t.Fatalf("got %q, %v", buf, err)
		}
	}
}

// writeHook calls before for each write.
type writeHook struct {
	*heldConn
	before func()
}

func (w writeHook) Write(p []byte) (int, error) {
	if len(w.held) == 0 {
		w.before()
	}
	return w.heldConn.Write(p)
}

func TestSilentAndHalfOpenHandshakesEnd(t *testing.T) {
	e, a := tlsEcho(t, loop.Config{Loops: 1, HandshakeTimeout: 100 * time.Millisecond})
	silent, halfOpen := dial(t, a), dial(t, a)
	halfOpen.Write([]byte{0x16, 3, 1, 2, 0, 1})
	for _, c := range []net.Conn{silent, halfOpen} {
		if _, err := io.ReadAll(c); err != nil && !isReset(err) {
			t.Errorf("want a closed connection, got %v", err)
		}
	}
	waitFor(t, "handshakes to be forgotten", func() bool { return e.Stats().Handshakes == 0 })
}

func TestHandshakesThatWaitDoNotHoldUpOthers(t *testing.T) {
	_, a := tlsEcho(t, loop.Config{Loops: 1, MaxHandshakes: 400})
	for range 90 { // a quarter of MaxHandshakes is allowed to one address
		dial(t, a).Write([]byte{0x16, 3, 1, 2, 0, 1})
	}
	c := tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true})
	roundTrip(t, c, 1000)
}

func TestTooManyHandshakesOfOneAddress(t *testing.T) {
	e, a := tlsEcho(t, loop.Config{Loops: 1, MaxHandshakes: 40})
	for range 10 {
		dial(t, a).Write([]byte{0x16, 3, 1, 2, 0, 1})
	}
	waitFor(t, "ten handshakes", func() bool { return e.Stats().Handshakes == 10 })
	if err := tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("an eleventh handshake of the address was let in")
	}
}

func TestPlainIsRefusedWithoutPlainProtocols(t *testing.T) {
	_, a := tlsEcho(t, loop.Config{Loops: 1})
	c := dial(t, a)
	c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	if got, err := io.ReadAll(c); len(got) > 0 || (err != nil && !isReset(err)) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBrokenRecordGetsAnAlert(t *testing.T) {
	_, a := tlsEcho(t, loop.Config{Loops: 1})
	raw := dial(t, a)
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	raw.Write([]byte{0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	_, err := io.ReadAll(c)
	var alert *net.OpError
	if !errors.As(err, &alert) || alert.Op != "remote error" {
		t.Errorf("want the server's alert, got %v", err)
	}
}
