//go:build linux

package suite

import (
	"crypto/tls"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// shake sends an opening handshake in the client's version of HTTP: from HTTP/2 on
// that is an extended CONNECT.
func (c *client) shake(s *server, head string) *wstest.Client {
	c.t.Helper()
	if c.version != "1.1" {
		stream, response := c.connectAs(s, c.asConnect(head))
		w := wstest.Join(c.t, stream)
		w.Response = response
		return w
	}
	conn := s.in(c.t).dial()
	if strings.HasPrefix(c.base, "https") {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	return wstest.Shake(c.t, conn, head)
}

// socket opens a WebSocket.
func (c *client) socket(s *server, path string, fields ...string) *wstest.Client {
	c.t.Helper()
	w := c.shake(s, wstest.Head(path, fields...))
	opened := 101
	if c.version != "1.1" {
		opened = 200
	}
	equal(c.t, "status of "+path, w.Response.StatusCode, opened)
	return w
}

// bye ends a WebSocket in good order.
func bye(w *wstest.Client) {
	w.Close(ws.NormalClosure, "")
	w.Expect("close 1000", "end")
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	matrix(t, "websocket_app:app", []string{"asgi"}, nil, map[string]func(*testing.T, *server, *client){
		"echo": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			for _, size := range []int{0, 5, 125, 126, 65536, 1 << 20} {
				text := strings.Repeat("ü", size/2)
				w.Text(text)
				w.Expect("text " + text)
				w.Binary(strings.Repeat("\xFF", size))
				w.Expect("binary " + strings.Repeat("\xFF", size))
			}
			w.Frame(ws.Text, false, "Hel")
			w.Frame(ws.Ping, true, "are you there")
			w.Frame(ws.Continuation, true, "lo")
			w.Expect("pong are you there", "text Hello")
			w.Close(4999, "that is all")
			w.Expect("close 4999", "end")
			equal(t, "told", c.get("/ended").want(t, 200), "4999 that is all")
		},
		"compressed": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
			offer := w.Response.Header.Get("Sec-WebSocket-Extensions")
			equal(t, "agreed on", offer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
			agreed, _ := ws.CompressionOn.Negotiate(func(yield func([]byte) bool) { yield([]byte(offer)) })
			w.Inflater = agreed.Inflater()
			text := strings.Repeat("as small as can be ", 5000)
			w.Write(ws.AppendMasked(nil, ws.Text, true, true, [4]byte{1, 2, 3, 4}, agreed.Deflater().Append(nil, []byte(text), true)))
			w.Expect("text " + text)
			bye(w)
			equal(t, "told", c.get("/ended").want(t, 200), "1000 ")
		},
		"client vanishes": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			w.Conn.Close()
			equal(t, "told", c.get("/ended").want(t, 200), "1006 ")
			w = c.socket(s, "/push")
			w.Expect("text tick", "text tick")
			w.Conn.Close()
			equal(t, "told", c.get("/ended").want(t, 200), "push noticed")
		},
		"scope": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/where?q=1", "Sec-WebSocket-Protocol: chat, superchat", "Cookie: a=b", "X-Custom: c")
			equal(t, "subprotocol", w.Response.Header.Get("Sec-WebSocket-Protocol"), "chat")
			if w.Response.Header.Get("X-Pid") == "" {
				t.Error("the application's field is missing")
			}
			scheme := "ws" + strings.TrimPrefix(strings.SplitN(c.base, ":", 2)[0], "http")
			w.Expect(fmt.Sprintf(`text {"url":"%s://example.org/where?q=1","client":"127.0.0.1","query":"1","cookie":"b","header":"c","state":"from startup"}`, scheme),
				"close 4321 told")
			w.Close(4321, "")
			w.Expect("end")
		},
		"refused": func(t *testing.T, s *server, c *client) {
			for path, status := range map[string]int{"/deny": 401, "/refuse": 403, "/nowhere": 403, "/api/rooms/1?token=bad": 403, "/api/rooms/one?token=good": 403} {
				w := c.shake(s, wstest.Head(path))
				equal(t, path, w.Response.StatusCode, status)
				if path == "/deny" {
					equal(t, "field", w.Response.Header.Get("X-Why"), "because")
				}
			}
			if c.version == "1.1" { // others have none
				equal(t, "no key", c.shake(s, strings.Replace(wstest.Head("/echo"), "Sec-WebSocket-Key", "X-Key", 1)).Response.StatusCode, 400)
			}
			equal(t, "old version", c.shake(s, strings.Replace(wstest.Head("/echo"), "Version: 13", "Version: 8", 1)).Response.StatusCode, 426)
		},
		"failure": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/raise")
			w.Expect("close 1011")
			w.Close(ws.InternalError, "")
			w.Expect("end")
			s.awaitLog("the secret of the failing socket")
		},
		"endpoint": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/count")
			w.Text("[1, 2, 39]")
			w.Expect(`text {"sum":42}`)
			bye(w)
		},
		"broadcast": func(t *testing.T, s *server, c *client) {
			var room []*wstest.Client
			for i := range 20 {
				w := c.socket(s, fmt.Sprintf("/api/rooms/%d?token=good", i))
				w.Text("in")
				for _, other := range append(room, w) {
					other.Expect(fmt.Sprintf("text %d: in", i))
				}
				room = append(room, w)
			}
			for _, w := range room {
				bye(w)
			}
		},
		"breaches": func(t *testing.T, s *server, c *client) {
			neighbour := c.socket(s, "/count")
			for frame, want := range map[string]string{
				string(wstest.Frame(3, true, "")):                             "close 1002 unknown opcode",
				string(wstest.Frame(ws.Text, true, "\xFF")):                   "close 1007 text is not UTF-8",
				string(wstest.Frame(ws.Ping, true, strings.Repeat("x", 126))): "close 1002 control frame is fragmented or too long",
				"\x81\x01a": "close 1002 frame is not masked",
				string(ws.AppendMasked(nil, ws.Binary, true, false, [4]byte{}, make([]byte, 17<<20))[:100]): "close 1009 message is too big",
			} {
				w := c.socket(s, "/count")
				w.Write([]byte(frame))
				w.Expect(want, "end")
			}
			neighbour.Text("[1]")
			neighbour.Expect(`text {"sum":1}`)
			report := decode[struct {
				WebSockets struct{ Failures map[string]int }
				Workers    []struct{ WebSockets int }
			}](t, c.get("/asteri-status.json"))
			if n := report.WebSockets.Failures["unknown opcode"]; n < 1 || report.Workers[0].WebSockets < 1 {
				t.Errorf("reported %+v", report)
			}
			bye(neighbour)
		},
	})
}

// TestWebSocketGo is the demonstration under each model.
func TestWebSocketGo(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sync", "gthread", "gevent", "asgi", "tornado", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, "-w", model, "--websocket-max-message-size", "1MiB", "--websocket-compression", "off")
			for _, scheme := range []string{"http", "https"} {
				c := s.over(t, scheme)
				w := c.socket(s, "/ws", "Sec-WebSocket-Extensions: permessage-deflate")
				equal(t, "extensions", w.Response.Header.Get("Sec-WebSocket-Extensions"), "")
				for _, text := range []string{"", "hello", strings.Repeat("x", 1<<20)} {
					w.Text(text)
					w.Expect("text " + text)
				}
				w.Binary(strings.Repeat("x", 1<<20+1))
				w.Expect("close 1009 message is too big", "end")
			}
		})
	}
}

// TestWebSocketsAreToldOfTheEnd: a reload and a stop say when the client may come
// again, at once or after some time.
func TestWebSocketsAreToldOfTheEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		sig  syscall.Signal
		want []string
	}{
		{"reload", nil, syscall.SIGHUP, []string{"close 1012"}},
		{"stop", nil, syscall.SIGTERM, []string{"close 1012"}},
		{"reload later", []string{"--websocket-linger", "1s"}, syscall.SIGHUP, []string{"text still here", "close 1012"}},
		{"stop later", []string{"--websocket-linger", "1s"}, syscall.SIGTERM, []string{"text still here", "close 1012"}},
		{"stop at the deadline", []string{"--websocket-linger", "1h", "--graceful-timeout", "3s"}, syscall.SIGTERM, []string{"text still here", "close 1001"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("websocket_app:app", "asgi", test.args...)...)
			c := s.over(t, "http")
			w := c.socket(s, "/echo")
			w.Text("a")
			w.Expect("text a")
			s.signal(test.sig)
			if len(test.want) > 1 {
				s.awaitLog(`worker ready worker_number=2|Stopping`)
				w.Text("still here")
			}
			w.Expect(test.want...)
			w.Close(ws.NormalClosure, "")
			w.Expect("end")
			if test.sig == syscall.SIGTERM {
				equal(t, "exit status", s.wait(), 0)
			}
		})
	}
}

// TestWebSocketPings: a client that does not answer is given up.
func TestWebSocketPings(t *testing.T) {
	t.Parallel()
	s := start(t, app("websocket_app:app", "asgi", "--ws-ping-interval", "200ms", "--ws-ping-timeout", "500ms")...)
	c := s.over(t, "http")
	w := c.socket(s, "/echo")
	for range 3 {
		w.Expect("ping ")
		w.Frame(ws.Pong, true, "")
	}
	w.Expect("ping ", "close 1011 keepalive ping timeout", "end")
	equal(t, "told", c.get("/ended").want(t, 200), "1006 ")
}
