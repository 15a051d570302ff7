package loop_test

import (
	"crypto/tls"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// chaos makes sessions that do anything to their connection in any of their
// calls, the last one included.
type chaos struct {
	t          *testing.T
	path       string // of a file of fileSize bytes
	fileSize   int64
	begun      atomic.Int64 // connections
	ended      atomic.Int64 // calls of OnClose
	uninvited  atomic.Int64 // calls of sessions that were replaced or closed
	protocol   loop.Protocol
	unexpected error
}

func newChaos(t *testing.T) *chaos {
	x := &chaos{t: t, fileSize: 2 << 20, unexpected: io.ErrUnexpectedEOF}
	x.path = bigFile(t, x.fileSize)
	x.protocol = scripted(func(s *script) {
		x.begun.Add(1)
		x.write(s)
		if rand.IntN(4) == 0 {
			x.use(s)
		}
	})
	return x
}

func (x *chaos) write(s *script) {
	s.afterEnd = &x.uninvited
	s.onData = func(s *script, in []byte) (int, error) {
		x.act(s)
		if rand.IntN(100) == 0 {
			return 0, x.unexpected
		}
		return rand.IntN(len(in) + 1), nil
	}
	s.onEOF = func(s *script) { x.act(s); s.CloseWhenFlushed(false) }
	s.onDrain = x.act
	s.onTimer = func(s *script, _ loop.Timer) { s.ResumeRead(); x.act(s) }
	s.onShutdown = func(s *script) { x.act(s); s.CloseWhenFlushed(false) }
	s.onClose = func(s *script, _ error) { x.ended.Add(1); x.act(s) }
}

// act uses the connection, or hands it over.
func (x *chaos) act(s *script) {
	if rand.IntN(14) > 0 {
		x.use(s)
		return
	}
	next := &script{Conn: s.Conn}
	x.write(next)
	s.ended.Store(true)
	s.Replace(next)
}

func (x *chaos) use(s *script) {
	switch rand.IntN(13) {
	case 0:
		s.Write([]byte("a little"))
	case 1:
		s.Write(make([]byte, 300<<10))
	case 2:
		s.SendFile(opened(x.t, x.path), 0, rand.Int64N(40<<10))
	case 3:
		s.SendFile(opened(x.t, x.path), 0, x.fileSize)
	case 4:
		s.PauseRead()
		s.SetTimer(0, time.Millisecond)
	case 5:
		s.ResumeRead()
	case 6:
		s.SetTimer(loop.Timer(rand.IntN(loop.NumTimers)), time.Duration(rand.IntN(80))*time.Millisecond)
	case 7:
		s.Post(s.ResumeRead)
	case 8:
		if rand.IntN(8) == 0 {
			s.CloseWhenFlushed(rand.IntN(2) == 0)
		}
	case 9:
		if rand.IntN(8) == 0 {
			s.Abort(x.unexpected)
		}
	}
}

// Whatever sessions do and whatever their peers do, each connection ends once,
// sessions are not called when they should not, and nothing stays.
func TestChaos(t *testing.T) {
	leakcheck.Check(t)
	const clients, rounds = 8, 40
	x := newChaos(t)
	e := start(t, loop.Config{Loops: 2, WriteTimeout: 100 * time.Millisecond})
	cert := selfSigned(t)
	a := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{x.protocol}, Plain: []loop.Protocol{x.protocol},
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
	if x.begun.Load() != x.ended.Load() {
		t.Errorf("%d connections got sessions, %d ends were told", x.begun.Load(), x.ended.Load())
	}
	if n := x.uninvited.Load(); n != 0 {
		t.Errorf("%d calls of sessions that were replaced or had ended", n)
	}
}
