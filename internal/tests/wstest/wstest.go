// Package wstest is a WebSocket client for tests. It says what comes in words and
// can send what no client may.
package wstest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// patience is how long a client waits for anything.
const patience = 30 * time.Second

// key is the one of the example in RFC 6455 section 1.3.
const key = "dGhlIHNhbXBsZSBub25jZQ=="

// Head returns the head of a good opening handshake, without the empty line at its
// end. Fields are whole lines without their ends.
func Head(path string, fields ...string) string {
	h := "GET " + path + " HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n"
	for _, f := range fields {
		h += f + "\r\n"
	}
	return h
}

// Client is one connection.
type Client struct {
	// Conn is the connection itself.
	Conn net.Conn
	// Response is the answer to the handshake.
	Response *http.Response
	// Inflater decompresses messages; see Decoder.Inflater of package ws.
	Inflater *ws.Inflater

	t       testing.TB
	in      *bufio.Reader
	decoder ws.Decoder
}

// Shake sends a request head and reads the response's. The connection is closed
// with the test.
func Shake(t testing.TB, conn net.Conn, head string) *Client {
	t.Helper()
	c := Join(t, conn)
	c.Write([]byte(head + "\r\n"))
	var err error
	if c.Response, err = http.ReadResponse(c.in, nil); err != nil { //nolint:bodyclose // it is the rest of the connection
		t.Fatal(err)
	}
	return c
}

// Join makes a client of a connection that is open already, as those over HTTP/2
// are. It is closed with the test.
func Join(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	return &Client{Conn: conn, t: t, in: bufio.NewReaderSize(conn, 64<<10), decoder: ws.Decoder{Limit: 64 << 20, Client: true}}
}

// Open is Shake for a handshake that is to succeed.
func Open(t testing.TB, conn net.Conn, path string, fields ...string) *Client {
	t.Helper()
	c := Shake(t, conn, Head(path, fields...))
	if c.Response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: got %s", path, c.Response.Status)
	}
	return c
}

// Write sends bytes as they are. A server that has ended the connection by then is
// no failure of it: Next tells what it said, and that it left.
func (c *Client) Write(p []byte) {
	c.t.Helper()
	_ = c.Conn.SetDeadline(time.Now().Add(patience))
	_, err := c.Conn.Write(p)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		c.t.Fatal("nothing is taken")
	case errors.Is(err, net.ErrClosed):
		c.t.Fatal(err)
	}
}

// Frame sends one frame.
func (c *Client) Frame(op ws.Opcode, fin bool, payload string) {
	c.t.Helper()
	c.Write(Frame(op, fin, payload))
}

// Frame returns one frame.
func Frame(op ws.Opcode, fin bool, payload string) []byte {
	return ws.AppendMasked(nil, op, fin, false, [4]byte{0x37, 0xFA, 0x21, 0x3D}, []byte(payload))
}

// Text sends a text message.
func (c *Client) Text(payload string) {
	c.t.Helper()
	c.Frame(ws.Text, true, payload)
}

// Binary sends a binary message.
func (c *Client) Binary(payload string) {
	c.t.Helper()
	c.Frame(ws.Binary, true, payload)
}

// Close sends a Close.
func (c *Client) Close(code ws.Code, reason string) {
	c.t.Helper()
	c.Frame(ws.Close, true, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// Next returns what comes next, in words: "text ..." and so on for a message or
// control frame, "close 1000 reason", or "end" or "reset" for the end of the
// connection.
func (c *Client) Next() string {
	c.t.Helper()
	c.decoder.Inflater = c.Inflater
	for {
		if !c.decoder.Unpacking() {
			_ = c.Conn.SetDeadline(time.Now().Add(patience))
			if _, err := c.in.Peek(1); err != nil {
				return c.ended(err)
			}
		}
		p, _ := c.in.Peek(c.in.Buffered())
		n, ev, err := c.decoder.Next(p)
		if err != nil {
			c.t.Fatal(err)
		}
		words := describe(ev)
		_, _ = c.in.Discard(n)
		if words != "" {
			return words
		}
	}
}

func (c *Client) ended(err error) string {
	c.t.Helper()
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		c.t.Fatal("nothing came")
	case errors.Is(err, io.EOF):
		return "end"
	}
	return "reset"
}

func describe(ev ws.Event) string {
	switch ev.Op {
	case ws.Text:
		return "text " + string(ev.Data)
	case ws.Binary:
		return "binary " + string(ev.Data)
	case ws.Ping:
		return "ping " + string(ev.Data)
	case ws.Pong:
		return "pong " + string(ev.Data)
	case ws.Close:
		code, reason, err := ws.ParseClose(ev.Data)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(fmt.Sprintf("close %d %s", code, reason))
	}
	return ""
}

// Expect fails the test unless what comes next is this.
func (c *Client) Expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.Next(); got != w {
			c.t.Fatalf("got %.200q, want %.200q", got, w)
		}
	}
}
