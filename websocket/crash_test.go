package websocket

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
)

// crashing crashes where the first message says, or when it is closed.
type crashing struct {
	crash  func()
	where  string
	closed chan struct{}
}

func (h *crashing) OnMessage(c *Conn, _ Kind, p []byte) {
	switch h.where = string(p); h.where {
	case "message":
		h.crash()
	case "post":
		go c.Post(h.crash)
	case "drain":
		c.OnDrain(h.crash)
	}
}

func (h *crashing) OnBreach(*Conn, Closure) {
	if h.where == "breach" {
		h.crash()
	}
}

func (h *crashing) OnClose(*Conn, Closure) {
	h.closed <- struct{}{}
	if h.where == "close" {
		h.crash()
	}
}

// A callback that does not return ends its WebSocket, of which OnClose is told.
func TestCallbacksThatDoNotReturn(t *testing.T) {
	for how, crash := range map[string]func(){"panic": func() { panic("as asked") }, "goexit": runtime.Goexit} {
		t.Run(how, func(t *testing.T) {
			var log logtest.Text
			closed := make(chan struct{}, 10)
			server := NewServer(Options{})
			engine := enginetest.Start(t, loop.Config{Loops: 1})
			addr := engine.Listen(http1.Protocol(asteri.HandlerFunc(func(x asteri.Exchange) {
				_, _ = server.Accept(x, &crashing{crash: crash, closed: closed}, Response{})
			}), asteri.WithLogger(log.Logger()))).String()
			for _, where := range []string{"message", "post", "drain", "breach", "close"} {
				c := connect(t, addr)
				c.Text(where)
				switch where {
				case "breach":
					c.Write([]byte{0xFF, 0x80, 0, 0, 0, 0})
				case "close":
					c.Close(ws.NormalClosure, "")
				}
				_, err := io.Copy(io.Discard, c.Conn)
				if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
					t.Errorf("%s: the connection goes on", where)
				}
				<-closed
			}
			exchangetest.Eventually(t, "all connections are gone", func() bool {
				return engine.Stats().Loops[0].Connections == 0 && server.Stats().Open == 0
			})
			if !log.Has("handler panicked") {
				t.Error("nothing is logged")
			}
		})
	}
}
