package loop_test

import (
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// Connections of all kinds come and go in all ways: nothing stays, neither
// descriptors nor memory that is counted, and each session hears the end once.
func TestNothingStaysOfMixedConnections(t *testing.T) {
	leakcheck.Check(t)
	const clients, rounds, fileSize = 8, 25, 3 << 20
	path := bigFile(t, fileSize)
	e := start(t, loop.Config{Loops: 2, WriteTimeout: time.Second})
	var opens, ends atomic.Int64
	sessions := scripted(func(s *script) {
		opens.Add(1)
		rested := false
		s.onClose = func(*script, error) { ends.Add(1) }
		s.onTimer = func(s *script, _ loop.Timer) { s.ResumeRead() }
		s.onData = func(s *script, in []byte) (int, error) {
			if in[0]%8 == 0 && !rested { // the loop keeps the input for a while
				rested = true
				s.PauseRead()
				s.SetTimer(0, time.Millisecond)
				return 0, nil
			}
			switch in[0] % 8 {
			case 1:
				s.SendFile(opened(t, path), 1, fileSize-1)
			case 2:
				s.SendFile(opened(t, path), 0, 100)
				s.Write(in)
				s.SendFile(opened(t, path), 0, 2*fileSize) // more than there is
			case 3:
				s.Write(make([]byte, 1<<20))
				s.Abort(io.ErrUnexpectedEOF)
				s.Write(in)
				s.SendFile(opened(t, path), 0, fileSize)
			case 4:
				s.Write(make([]byte, 1<<20))
				s.CloseWhenFlushed(true)
				s.Write(in)
			case 5:
				s.Replace(&script{Conn: s.Conn, onClose: s.onClose})
				return 0, nil
			case 6:
				return len(in), io.ErrUnexpectedEOF
			default:
				s.Write(in)
			}
			return len(in), nil
		}
	})
	cert := selfSigned(t)
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{sessions}, Plain: []loop.Protocol{sessions},
		TLS: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range rounds {
				visit(a)
			}
		})
	}
	all.Wait()
	expectNothingLeft(t, e)
	if opens.Load() != ends.Load() {
		t.Errorf("%d sessions began, %d ended", opens.Load(), ends.Load())
	}
}

// expectNothingLeft waits until all connections have ended, and with them all that
// the engine counts.
func expectNothingLeft(t *testing.T, e *loop.Engine) {
	t.Helper()
	expectEmpty(t, e)
	for _, l := range e.Stats().Loops {
		if l.Panics != 0 {
			t.Errorf("%d panics", l.Panics)
		}
	}
}

// expectEmpty is for an engine whose sessions may have failed.
func expectEmpty(t *testing.T, e *loop.Engine) {
	t.Helper()
	waitFor(t, "the connections end", func() bool {
		n := int64(0)
		for _, l := range e.Stats().Loops {
			n += l.Connections
		}
		return n == 0
	})
	waitFor(t, "the memory is given back", func() bool { return e.Stats().BufferBytes == 0 })
	// The end of one whose connection has gone is posted by its goroutine.
	waitFor(t, "no handshake is counted", func() bool { return e.Stats().Handshakes == 0 })
}

// visit connects, says something, and leaves in some way. What it is answered is
// not its business.
func visit(a net.Addr) {
	raw, err := net.Dial(a.Network(), a.String())
	if err != nil {
		return
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(time.Duration(rand.IntN(200)) * time.Millisecond))
	hello := make([]byte, 1+rand.IntN(200<<10))
	hello[0] = byte(32 + rand.IntN(8))
	c := raw
	if rand.IntN(2) == 0 {
		c = tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12 + uint16(rand.IntN(2))})
	}
	if rand.IntN(10) == 0 {
		raw.Write([]byte{22, 3, 1})
		return
	}
	go c.Write(hello)
	switch rand.IntN(4) {
	case 0:
		io.CopyN(io.Discard, c, rand.Int64N(1<<20))
		raw.(*net.TCPConn).SetLinger(0)
	case 1:
		io.CopyN(io.Discard, c, rand.Int64N(100))
	case 2:
		raw.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		io.Copy(io.Discard, c)
		raw.(*net.TCPConn).CloseWrite()
		raw.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		io.Copy(io.Discard, c)
	}
}
