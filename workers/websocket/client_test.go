package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/ws"
	"github.com/asteri/asteri-loop/loop"
)

const patience = 20 * time.Second

// serve runs a real server and returns its address. stop drains it.
func serve(t *testing.T, h asteri.Handler) (addr string, engine *loop.Engine) {
	t.Helper()
	eng, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := eng.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(h)}})
	if err != nil {
		t.Fatal(err)
	}
	eng.Start()
	t.Cleanup(func() { eng.Close() })
	return ln.Addr().String(), eng
}

// client is the other side of a WebSocket.
type client struct {
	t       *testing.T
	conn    net.Conn
	in      *bufio.Reader
	decoder ws.Decoder
	rest    []byte
	res     *http.Response
}

// handshake is a good request; more fields may follow.
const handshake = "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// dial sends a request head and reads the answer's.
func dial(t *testing.T, addr, head string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	c.decoder = ws.Decoder{Limit: 32 << 20, Client: true}
	c.write([]byte(head + "\r\n"))
	if c.res, err = http.ReadResponse(c.in, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// open is dial for a handshake that succeeds.
func connect(t *testing.T, addr string, fields ...string) *client {
	t.Helper()
	c := dial(t, addr, handshake+strings.Join(fields, ""))
	if c.res.StatusCode != 101 {
		t.Fatalf("got %s", c.res.Status)
	}
	return c
}

func (c *client) write(p []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

// send sends one frame.
func (c *client) send(op ws.Opcode, fin bool, payload string) {
	c.t.Helper()
	c.write(ws.AppendMasked(nil, op, fin, false, [4]byte{1, 2, 3, 4}, []byte(payload)))
}

func closePayload(code Code, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

// next returns the next message or control frame in words, or how the connection
// ended.
func (c *client) next() string {
	c.t.Helper()
	for {
		if len(c.rest) == 0 {
			if _, err := c.in.Peek(1); err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					c.t.Fatal("nothing came")
				}
				if errors.Is(err, io.EOF) {
					return "end"
				}
				return "reset"
			}
			c.rest, _ = c.in.Peek(c.in.Buffered())
		}
		n, ev, err := c.decoder.Next(c.rest)
		if err != nil {
			c.t.Fatal(err)
		}
		var words string
		switch ev.Op {
		case ws.Close:
			code, reason, err := ws.ParseClose(ev.Data)
			if err != nil {
				c.t.Fatal(err)
			}
			words = strings.TrimSpace(fmt.Sprintf("close %d %s", code, reason))
		case ws.Text, ws.Binary, ws.Ping, ws.Pong:
			words = fmt.Sprintf("%s %s", map[ws.Opcode]string{ws.Text: "text", ws.Binary: "binary", ws.Ping: "ping", ws.Pong: "pong"}[ev.Op], ev.Data)
		}
		_, _ = c.in.Discard(n)
		if c.rest = c.rest[n:]; words != "" {
			return words
		}
	}
}

func (c *client) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.next(); got != w {
			c.t.Fatalf("got %.200q, want %.200q", got, w)
		}
	}
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

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
