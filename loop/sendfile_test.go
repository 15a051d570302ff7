package loop_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// A record that is no TLS may come while a file is being read for the peer: it
// gets an alert, and neither the file nor the connection is left over.
func TestBrokenRecordWhileAFileIsRead(t *testing.T) {
	leakcheck.Check(t)
	const size = 1 << 30
	path := bigFile(t, size)
	e := start(t, loop.Config{Loops: 1})
	closed := make(chan error, 1)
	connect := serveTLS(t, e, func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.SendFile(opened(t, path), 0, size)
			return len(in), nil
		}
		s.onClose = func(_ *script, cause error) { closed <- cause }
	})
	for range 10 {
		c := connect()
		send(t, c, "?")
		_, err := io.ReadFull(c, make([]byte, 1<<20))
		must(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
		raw := c.NetConn()
		release := hold(t, e.Loops()[0])
		_, err = raw.Write([]byte{0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
		must(t, err)
		release()
		var alert *net.OpError
		if err := awaited(t, ended, "alert"); !errors.As(err, &alert) || alert.Op != "remote error" {
			t.Errorf("want the server's alert, got %v", err)
		}
		must(t, raw.Close())
		awaited(t, closed, "end of the session")
	}
	s := e.Stats()
	if n := s.Loops[0].Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// A callback of the configuration that panics ends its handshake, not the server.
func TestPanicInTheConfiguration(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	cert := selfSigned(t)
	var good atomic.Bool
	inConfig := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if !good.Load() {
			panic("the callback is broken")
		}
		return &cert, nil
	}}
	for name, config := range map[string]func() *tls.Config{
		"callback": func() *tls.Config { return inConfig },
		"source": func() *tls.Config {
			if !good.Load() {
				panic("the source is broken")
			}
			return inConfig
		},
	} {
		good.Store(false)
		a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", TLS: config, Protocols: []loop.Protocol{scripted(func(*script) {})}})
		connect := func() *tls.Conn { return tls.Client(dial(t, a), &tls.Config{InsecureSkipVerify: true}) }
		if err := connect().Handshake(); err == nil {
			t.Errorf("%s: the handshake succeeds", name)
		}
		waitFor(t, "the handshake is forgotten", func() bool { return e.Stats().Handshakes == 0 })
		good.Store(true)
		ping(t, connect())
	}
}

// A peer that takes nothing is given up whatever is being sent to it, and however.
func TestStalledPeerOfAFileIsGivenUp(t *testing.T) {
	leakcheck.Check(t)
	const size = 1 << 30
	path := bigFile(t, size)
	e := start(t, loop.Config{Loops: 1, WriteTimeout: 100 * time.Millisecond})
	causes := make(chan error, 1)
	write := func(s *script) {
		s.onData = func(s *script, in []byte) (int, error) {
			s.SendFile(opened(t, path), 0, size)
			return len(in), nil
		}
		s.onClose = func(_ *script, cause error) { causes <- cause }
	}
	plain, secure := serve(t, e, "127.0.0.1:0", write), serveTLS(t, e, write)
	for _, c := range []net.Conn{dial(t, plain), secure()} {
		send(t, c, "?")
		if cause := awaited(t, causes, "end of the stalled connection"); !errors.Is(cause, loop.WriteStalled) {
			t.Errorf("the stalled connection ended with %v", cause)
		}
	}
	waitFor(t, "the memory is given back", func() bool { return e.Stats().BufferBytes == 0 })
}
