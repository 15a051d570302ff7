package websocket

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
	"github.com/asteri/asteri-loop/loop"
)

const patience = 20 * time.Second

// serve runs a real server and returns its address. stop drains it.
func serve(t *testing.T, h asteri.Handler) (addr string, engine *loop.Engine) {
	t.Helper()
	e := enginetest.Start(t, loop.Config{Loops: 1})
	return e.Listen(http1.Protocol(h)).String(), e.Engine
}

// dial sends a request head and reads the answer's.
func dial(t *testing.T, addr, head string) *wstest.Client {
	t.Helper()
	return wstest.Shake(t, tcp(t, addr), head)
}

// connect opens a WebSocket.
func connect(t *testing.T, addr string, fields ...string) *wstest.Client {
	t.Helper()
	return wstest.Open(t, tcp(t, addr), "/ws", fields...)
}

func tcp(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// echo sends back what comes, and notes the end.
type echo struct{ ended chan Closure }

func newEcho() *echo { return &echo{make(chan Closure, 100)} }

func (e *echo) OnMessage(c *Conn, kind Kind, p []byte) {
	switch string(p) {
	case "close":
		c.Close(4000, "as asked")
	case "abort":
		c.Abort(errors.New("as asked"))
	case "panic":
		panic("as asked")
	default:
		queued, err := c.Write(kind, p)
		if err == nil && queued >= asteri.HighWater {
			c.Pause()
			c.OnDrain(c.Resume)
		}
	}
}

func (e *echo) OnClose(_ *Conn, cl Closure) { e.ended <- cl }

func (e *echo) expect(t *testing.T, want Closure) {
	t.Helper()
	select {
	case got := <-e.ended:
		if got != want {
			t.Errorf("ended with %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		t.Fatal("no end")
	}
}

// serveEcho serves the echo with the given settings.
func serveEcho(t *testing.T, o Options) (addr string, e *echo, s *Server, eng *loop.Engine) {
	t.Helper()
	s, e = NewServer(o), newEcho()
	addr, eng = serve(t, asteri.HandlerFunc(func(x asteri.Exchange) {
		_, _ = s.Accept(x, e, Response{})
	}))
	return addr, e, s, eng
}

// drain stops the server gracefully, in the background.
func drain(t *testing.T, eng *loop.Engine) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		eng.Drain()
	}()
	t.Cleanup(func() { <-done })
}
