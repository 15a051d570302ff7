package websocket

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

func TestHandshake(t *testing.T) {
	handshake := wstest.Head("/ws")
	addr, _, s, _ := serveEcho(t, Options{})
	c := connect(t, addr)
	// The example of RFC 6455 section 1.3.
	if got := c.Response.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("accepted by %q", got)
	}
	if c.Response.Header.Get("Upgrade") != "websocket" || c.Response.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("got %v", c.Response.Header)
	}
	for name, test := range map[string]struct {
		head   string
		status int
	}{
		"no key":          {strings.Replace(handshake, "Sec-WebSocket-Key", "X-Key", 1), 400},
		"short key":       {strings.Replace(handshake, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 1), 400},
		"long key":        {strings.Replace(handshake, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQxx", 1), 400},
		"two keys":        {handshake + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400},
		"no base64":       {strings.Replace(handshake, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!==", 1), 400},
		"version 8":       {strings.Replace(handshake, "13", "8", 1), 426},
		"no version":      {strings.Replace(handshake, "Sec-WebSocket-Version: 13\r\n", "", 1), 426},
		"no Connection":   {strings.Replace(handshake, "Connection: Upgrade\r\n", "", 1), 400},
		"other upgrade":   {strings.Replace(handshake, "Upgrade: websocket", "Upgrade: tea", 1), 426},
		"POST":            {strings.Replace(handshake, "GET", "POST", 1) + "Content-Length: 0\r\n", 426},
		"HTTP/1.0":        {strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1), 426},
		"foreign origin":  {handshake + "Origin: https://evil.example\r\n", 403},
		"null origin":     {handshake + "Origin: null\r\n", 403},
		"nonsense origin": {handshake + "Origin: ://\r\n", 403},
	} {
		c := dial(t, addr, test.head)
		if c.Response.StatusCode != test.status {
			t.Errorf("%s: got %s", name, c.Response.Status)
		}
		if test.status == 426 && c.Response.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: got %v", name, c.Response.Header)
		}
	}
	connect(t, addr, "Origin: https://EXAMPLE.org")
	if st := s.Stats(); st.Refused != 14 || st.Opened != 2 {
		t.Errorf("counted %+v", st)
	}
}

func TestSubprotocolAndHeader(t *testing.T) {
	s := NewServer(Options{})
	addr, _ := serve(t, asteri.HandlerFunc(func(x asteri.Exchange) {
		r := Response{Header: new(asteri.Header)}
		for p := range Subprotocols(x.Request()) {
			r.Subprotocol = p // the last one
		}
		switch string(x.Request().Path) {
		case "/forged":
			r.Subprotocol = "none of these"
		case "/field":
			r.Header.Add("sec-websocket-accept", "x")
		}
		r.Header.Add("X-By", "us")
		c, err := s.Accept(x, newEcho(), r)
		if err == nil && c.Subprotocol() != r.Subprotocol {
			t.Errorf("subprotocol is %q", c.Subprotocol())
		}
	}))
	c := connect(t, addr, "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c")
	if c.Response.Header.Get("Sec-WebSocket-Protocol") != "c" || c.Response.Header.Get("X-By") != "us" {
		t.Errorf("got %v", c.Response.Header)
	}
	for _, path := range []string{"/forged", "/field"} {
		if c := dial(t, addr, wstest.Head(path)); c.Response.StatusCode != 500 {
			t.Errorf("%s: got %s", path, c.Response.Status)
		}
	}
}

func TestEcho(t *testing.T) {
	addr, e, s, _ := serveEcho(t, Options{})
	c := connect(t, addr)
	c.Text("grüße")
	c.Frame(ws.Binary, false, "a")
	c.Frame(ws.Ping, true, "?")
	c.Frame(ws.Continuation, true, "b")
	c.Expect("text grüße", "pong ?", "binary ab")
	for _, n := range []int{0, 125, 126, 65535, 65536, 1 << 20} {
		big := strings.Repeat("x", n)
		c.Binary(big)
		c.Expect("binary " + big)
	}
	c.Close(NormalClosure, "bye")
	c.Expect("close 1000", "end")
	e.expect(t, Closure{NormalClosure, "bye", true})
	if st := s.Stats(); st.Open != 0 || st.Opened != 1 || st.MessagesIn != 8 || st.MessagesOut != 8 {
		t.Errorf("counted %+v", st)
	}
}

func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		do     func(c *wstest.Client)
		frames []string
		want   Closure
	}{
		"peer, no code": {func(c *wstest.Client) { c.Frame(ws.Close, true, "") }, []string{"close 1005", "end"}, Closure{NoStatus, "", true}},
		"handler": {func(c *wstest.Client) {
			c.Text("close")
			c.Text("not heard any more")
			c.Expect("close 4000 as asked")
			c.Close(4000, "")
		}, []string{"end"}, Closure{4000, "", true}},
		"abort": {func(c *wstest.Client) { c.Text("abort") }, []string{"reset"}, Closure{Code: Abnormal}},
		"panic": {func(c *wstest.Client) { c.Text("panic") }, []string{"reset"}, Closure{Code: Abnormal}},
		"breach": {func(c *wstest.Client) { c.Frame(3, true, "") }, []string{"close 1002 unknown opcode", "end"},
			Closure{ProtocolError, "unknown opcode", false}},
		"bad text": {func(c *wstest.Client) { c.Text("\xFF") }, []string{"close 1007 text is not UTF-8", "end"},
			Closure{ws.InvalidPayload, "text is not UTF-8", false}},
		"bad close": {func(c *wstest.Client) { c.Frame(ws.Close, true, "\x03\xed") }, []string{"close 1002 close code that may not be sent", "end"},
			Closure{ProtocolError, "close code that may not be sent", false}},
		"too big": {func(c *wstest.Client) { c.Binary(strings.Repeat("x", 2<<20)) }, []string{"close 1009 message is too big", "end"},
			Closure{MessageTooBig, "message is too big", false}},
		"gone":        {func(c *wstest.Client) { c.Conn.Close() }, nil, Closure{Code: Abnormal}},
		"half-closed": {func(c *wstest.Client) { _ = c.Conn.(interface{ CloseWrite() error }).CloseWrite() }, []string{"end"}, Closure{Code: Abnormal}},
	} {
		t.Run(name, func(t *testing.T) {
			addr, e, _, _ := serveEcho(t, Options{MaxMessageSize: 1 << 20})
			c := connect(t, addr)
			test.do(c)
			c.Expect(test.frames...)
			e.expect(t, test.want)
		})
	}
}

func TestCompression(t *testing.T) {
	for _, how := range []Compression{CompressionOn, CompressionTakeover, CompressionOff} {
		addr, _, _, _ := serveEcho(t, Options{Compression: how})
		c := connect(t, addr, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
		got := c.Response.Header.Get("Sec-WebSocket-Extensions")
		if (got != "") != (how != CompressionOff) {
			t.Errorf("%d: agreed on %q", how, got)
		}
		if got == "" {
			continue
		}
		agreed, _ := CompressionTakeover.Negotiate(func(yield func([]byte) bool) { yield([]byte(got)) })
		c.Inflater = agreed.Inflater() // the two sides are alike here
		d := agreed.Deflater()
		for i := range 20 {
			message := bytes.Repeat([]byte("compress me "), i*i*i)
			c.Write(ws.AppendMasked(nil, ws.Text, true, true, [4]byte{5, 6, 7, 8}, d.Append(nil, message, true)))
			c.Expect("text " + string(message))
		}
	}
}

// A peer that does not read is not read.
func TestSlowPeerIsNotRead(t *testing.T) {
	addr, e, s, _ := serveEcho(t, Options{})
	c := connect(t, addr)
	frame := wstest.Frame(ws.Binary, true, strings.Repeat("x", 32<<10))
	sent := 0
	for c.Conn.SetWriteDeadline(time.Now().Add(300*time.Millisecond)) == nil {
		n, err := c.Conn.Write(frame)
		sent += n
		if err != nil {
			break
		}
		if sent > 512<<20 {
			t.Fatal("it is read without an end")
		}
	}
	c.Conn.Close()
	e.expect(t, Closure{Code: Abnormal})
	if st := s.Stats(); st.Stalled != 0 {
		t.Errorf("counted %+v", st)
	}
}

// Frames that say nothing are bounded: those that came in time are answered.
func TestChatter(t *testing.T) {
	for name, c := range map[string]struct {
		frame  []byte
		answer string
	}{
		"pings":           {wstest.Frame(ws.Ping, true, strings.Repeat("x", 125)), "pong "},
		"pongs":           {wstest.Frame(ws.Pong, true, ""), ""},
		"empty fragments": {wstest.Frame(ws.Continuation, false, ""), ""},
		"tiny fragments":  {wstest.Frame(ws.Continuation, false, "x"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			addr, e, _, _ := serveEcho(t, Options{})
			peer := connect(t, addr)
			go func() {
				_, _ = peer.Conn.Write(wstest.Frame(ws.Text, false, "a message that does not end"))
				for { // until the server has had enough
					if _, err := peer.Conn.Write(bytes.Repeat(c.frame, 500)); err != nil {
						return
					}
				}
			}()
			answers := 0
			got := peer.Next()
			for ; c.answer != "" && strings.HasPrefix(got, c.answer); got = peer.Next() {
				answers++
			}
			if want := "close 1008 " + errChatter.Reason; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if full := int(idleFrames.Burst); c.answer != "" && answers < full {
				t.Errorf("%d answers, want %d", answers, full)
			}
			peer.Conn.Close()
			e.expect(t, Closure{Code: PolicyViolation, Reason: errChatter.Reason})
		})
	}
}

// flooder sends more than anybody reads.
type flooder struct{ *echo }

func (f flooder) OnMessage(c *Conn, kind Kind, _ []byte) {
	for {
		if _, err := c.Write(kind, make([]byte, 64<<10)); err != nil {
			return
		}
	}
}

func TestSendQueueIsBounded(t *testing.T) {
	s, e := NewServer(Options{SendQueue: 1 << 20}), newEcho()
	addr, _ := serve(t, asteri.HandlerFunc(func(x asteri.Exchange) { _, _ = s.Accept(x, flooder{e}, Response{}) }))
	c := connect(t, addr)
	c.Text("go")
	e.expect(t, Closure{Code: Abnormal})
	if st := s.Stats(); st.Stalled != 1 {
		t.Errorf("counted %+v", st)
	}
}
