package http3_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
	"github.com/asteri/asteri-loop/websocket"
)

// tunnel is a request stream after an extended CONNECT, as a connection.
type tunnel struct {
	net.Conn // none: what is not below is not used
	str      *quic.Stream
	left     uint64 // of a DATA frame
}

func (c *tunnel) Write(p []byte) (int, error) {
	_, err := c.str.Write(frame(0, p...))
	return len(p), err
}

func (c *tunnel) Read(p []byte) (int, error) {
	r := quicvarint.NewReader(c.str)
	for c.left == 0 {
		if _, err := quicvarint.Read(r); err != nil {
			return 0, err
		}
		var err error
		if c.left, err = quicvarint.Read(r); err != nil {
			return 0, err
		}
	}
	n, err := c.str.Read(p[:min(uint64(len(p)), c.left)])
	c.left -= uint64(n)
	return n, err
}

func (c *tunnel) Close() error                    { return c.str.Close() }
func (c *tunnel) SetDeadline(at time.Time) error  { return c.str.SetDeadline(at) }
func (c *tunnel) SetReadDeadline(time.Time) error { return nil } // ask has set one

// socketEcho sends messages back.
type socketEcho struct{}

func (socketEcho) OnMessage(c *websocket.Conn, kind websocket.Kind, p []byte) {
	_, _ = c.Write(kind, p)
}
func (socketEcho) OnClose(*websocket.Conn, websocket.Closure) {}

// WebSocket over HTTP/3, RFC 9220: open, talk, end from either side, and by draining.
func TestWebSocket(t *testing.T) {
	sockets := websocket.NewServer(websocket.Options{})
	s := serve(t, func(x asteri.Exchange) {
		if x.Request().Protocol != "websocket" {
			hello(x)
			return
		}
		if _, err := sockets.Accept(x, socketEcho{}, websocket.Response{}); err != nil {
			t.Error(err)
		}
	})
	c := s.dial()
	open := func() *wstest.Client {
		str := ask(t, c, headers(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "localhost",
			":path", "/chat", "sec-websocket-version", "13"), false)
		r := quicvarint.NewReader(str)
		kind, err := quicvarint.Read(r)
		must(t, err)
		length, err := quicvarint.Read(r)
		must(t, err)
		head := make([]byte, length)
		_, err = io.ReadFull(str, head)
		must(t, err)
		if kind != 1 || head[2] != 0xc0|25 {
			t.Fatalf("frame of type %d: %x", kind, head)
		}
		return wstest.Join(t, &tunnel{str: str})
	}
	one, two := open(), open()
	for range 3 {
		one.Text("hello")
		two.Binary("other")
		one.Expect("text hello")
		two.Expect("binary other")
	}
	one.Close(1000, "bye")
	one.Expect("close 1000")
	wantServed(t, c)
	go s.stop()
	two.Expect("close 1012")
	two.Close(1012, "")
}
