package python

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// Connections that applications take over by a socket.

// upgrade opens a connection and asks for an upgrade; the status is of the answer.
func (s *server) upgrade(query string) (net.Conn, *bufio.Reader, *http.Response) {
	s.t.Helper()
	c := s.dial(wstest.Head("/raw?"+query) + "\r\n")
	_ = c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return c, in, resp
}

// tunnel is upgrade for what is to succeed.
func (s *server) tunnel(query string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	c, in, resp := s.upgrade(query)
	if resp.StatusCode != 101 || resp.Header.Get("X-Raw") != "yes" || resp.Header.Get("Upgrade") != "websocket" {
		s.t.Fatalf("%s: got %s with %v", query, resp.Status, resp.Header)
	}
	return c, in
}

// rest reads a connection to its end.
func (s *server) rest(in io.Reader) string {
	s.t.Helper()
	p, err := io.ReadAll(in)
	if err != nil {
		s.t.Errorf("after %d bytes: %v", len(p), err)
	}
	return string(p)
}

// echoes sends p and expects it back.
func (s *server) echoes(c net.Conn, in io.Reader, p string) {
	s.t.Helper()
	go func() { _, _ = io.WriteString(c, p) }()
	got := make([]byte, len(p))
	if _, err := io.ReadFull(in, got); err != nil || string(got) != p {
		s.t.Fatalf("got %d bytes of %d back, %v", len(got), len(p), err)
	}
}

func TestRawTunnel(t *testing.T) {
	for _, app := range []string{"ok=4", "tornado"} {
		t.Run(app, func(t *testing.T) {
			bothLoops(t, func(t *testing.T, loops int) { testRawTunnel(t, loops, app) })
		})
	}
}

func testRawTunnel(t *testing.T, loops int, app string) {
	s := serveFake(t, loops, Config{App: app})
	c, in := s.tunnel("echo")
	s.echoes(c, in, "hello")
	s.echoes(c, in, strings.Repeat("large", 1<<20))
	_ = c.(*net.TCPConn).CloseWrite()
	if got := s.rest(in); got != "" {
		t.Errorf("got %q behind the end", got)
	}
	c, in = s.tunnel("pieces")
	if got := s.rest(in); got != "behind the head" {
		t.Errorf("pieces: got %q", got)
	}
	_ = c.Close()
	c, in = s.tunnel("count")
	if _, err := io.WriteString(c, strings.Repeat("c", 3_000_000)); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if got := s.rest(in); got != "3000000" {
		t.Errorf("the application counted %q", got)
	}
	_, in = s.tunnel("both")
	if got := s.rest(in); got != "from the socket" {
		t.Errorf("got %q", got)
	}
	c, in = s.tunnel("answers")
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	if got := s.rest(in); got != "" {
		t.Errorf("got %q", got)
	}
	_, in = s.tunnel("streams")
	s.rest(in)
	s.waitFor("IDLE")
	s.expect(s.get("/"), 200, "hello")
	s.expect(s.get("/raw?echo"), 200, "no socket")
}

func TestRawTunnelOfAClientThatReadsSlowly(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{})
		const size = 32 << 20
		_, in := s.tunnel("flood=33554432")
		s.waitFor("BUSY") // it waits
		n, err := io.Copy(io.Discard, in)
		if n != size || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
		s.waitFor("IDLE")
	})
}

func TestRawAnswers(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{})
		before := s.waitFor("IDLE").PID
		for _, test := range []struct {
			query  string
			status int
			body   string
		}{
			{"refuse", 403, "not you"}, {"length", 403, "not you"}, {"empty", 204, ""}, {"large", 200, strings.Repeat("r", 4<<20)},
			{"closes", 200, "as usual"}, {"normal", 200, "as usual"}, {"nothing", 500, ""},
			{"head=hello%0D%0A%0D%0A", 500, ""}, {"head=HTTP/1.1%20101%20Cut", 500, ""}, {"endless", 500, ""},
			{"head=HTTP/1.1%20101%20Missing%0D%0AConnection:%20Upgrade%0D%0A%0D%0A", 500, ""},
			{"head=HTTP/1.1%20101%20Other%0D%0AUpgrade:%20other%0D%0A%0D%0A", 500, ""},
			{"head=HTTP/1.1%20200%20OK%0D%0ATransfer-Encoding:%20chunked%0D%0A%0D%0A", 500, ""},
			{"head=HTTP/1.1%20200%20OK%0D%0AX:%20a%0D%0A%20folded%0D%0A%0D%0A", 500, ""},
			{"head=HTTP/2%20101%20Two%0D%0A%0D%0A", 500, ""}, {"head=HTTP/1.1%20999%20Odd%0D%0A%0D%0A", 500, ""},
		} {
			_, _, resp := s.upgrade(test.query)
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != test.status || test.status != 500 && string(body) != test.body || err != nil {
				t.Errorf("%s: got %s %.50q, %v; want %d %.50q", test.query, resp.Status, body, err, test.status, test.body)
			}
		}
		_, _, resp := s.upgrade("short")
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("a response shorter than announced ended cleanly")
		}
		_, _, resp = s.upgrade("interim")
		if resp.StatusCode != 103 || resp.Header.Get("Link") == "" {
			t.Errorf("interim: got %s", resp.Status)
		}
		if now := s.waitFor("IDLE").PID; now != before {
			t.Error("the worker was replaced")
		}
	})
}

func TestRawSocketIsGivenOnlyForUpgrades(t *testing.T) {
	s := serveFake(t, 1, Config{})
	for _, fields := range []string{
		"", "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
	} {
		c := s.dial("GET /raw?echo HTTP/1.1\r\nHost: x\r\n" + fields + "\r\nx")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != "no socket" {
			t.Errorf("%q: got %s %q", fields, resp.Status, body)
		}
	}
	c := s.dial("GET /raw?echo HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: Custom\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 500 { // the fake speaks WebSocket only
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestRawSocketOfAWorkerThatDies(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2})
		c, in := s.tunnel("die")
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		s.rest(in)
		_, _, resp := s.upgrade("killedbefore") // and a second time
		if resp.StatusCode != 502 || s.pool.Snapshot().Retried != 1 {
			t.Errorf("got %s, retried %d times", resp.Status, s.pool.Snapshot().Retried)
		}
		eventually(t, "two workers again", func() bool { return s.count("IDLE") == 2 })
	})
}

func TestRawSocketOfAClientThatLeaves(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Timeout: -1, App: "ok=2"})
		leave := func(query string) {
			c := s.dial(wstest.Head("/raw?"+query) + "\r\n")
			s.waitFor("BUSY")
			c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
			s.waitFor("IDLE") // only the end of the socket ends its call
		}
		leave("silent")
		leave("echo")
		c, in := s.tunnel("flood=33554432") // it waits for the client, of whom no more is heard
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := io.ReadFull(in, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		s.waitFor("IDLE")
		s.expect(s.get("/"), 200, "hello")
	})
}

func TestRawSocketIsSubjectToTheTimeoutUntilItIsUsed(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 2, Timeout: 300 * time.Millisecond})
	c, in := s.tunnel("echo")
	_, _, resp := s.upgrade("silent") // at the other worker
	if resp.StatusCode != 504 {
		t.Errorf("got %s", resp.Status)
	}
	s.echoes(c, in, "still there")
}

func TestRawSocketsWaitInTheQueueWithoutDescriptors(t *testing.T) {
	s := serveFake(t, 1, Config{App: "ok=1"})
	gate, open := s.gate()
	blocking := s.async("GET", gate)
	s.waitFor("BUSY")
	c := s.dial(wstest.Head("/raw?echo") + "\r\n")
	eventually(t, "the request waits", func() bool { return s.pool.Snapshot().Queued+s.inFlight() == 2 })
	_ = c.Close()
	eventually(t, "it is forgotten", func() bool { return s.pool.Snapshot().Queued == 0 })
	open()
	s.expect(s.wait(blocking), 200, "passed")
	s.waitFor("IDLE")
}

func TestFailureInARawTunnelIsLogged(t *testing.T) {
	s := serveFake(t, 1, Config{})
	_, in := s.tunnel("failing")
	if got := s.rest(in); got != "" {
		t.Errorf("got %q", got)
	}
	eventually(t, "the log line", func() bool { return s.log.Has("ValueError: in the tunnel") })
	s.waitFor("IDLE")
}

// Sockets whose worker is to end, or whose server is.

func TestRawSocketsOnReload(t *testing.T) {
	for _, query := range []string{"echo", "detached"} {
		t.Run(query, func(t *testing.T) {
			bothLoops(t, func(t *testing.T, loops int) {
				cfg := Config{App: "ok=4"}
				if query == "detached" {
					cfg.App = "tornado"
				}
				s := serveFake(t, loops, cfg)
				w := wstest.Open(t, s.dial(""), "/raw?"+query)
				within := wstest.Open(t, s.dial(""), "/raw?"+query)
				message := ws.AppendHeader(nil, ws.Text, true, false, 5)
				within.Write(append(message, "hel"...)) // the echo is within a frame
				if _, err := io.ReadFull(within.Conn, make([]byte, len(message)+3)); err != nil {
					t.Fatal(err)
				}
				fake(&cfg)
				if err := s.pool.Reload(context.Background(), cfg); err != nil {
					t.Fatal(err)
				}
				if got := w.Next(); got != "close 1012" {
					t.Errorf("got %q", got)
				}
				if got := w.Next(); got != "end" {
					t.Errorf("got %q behind it", got)
				}
				if p, err := io.ReadAll(within.Conn); len(p) > 0 || err != nil {
					t.Errorf("within a frame: got %q, %v", p, err)
				}
				s.waitFor("IDLE") // the new one
			})
		})
	}
}

func TestRawSocketsLiveOn(t *testing.T) {
	cfg := Config{App: "ok=4", GracefulTimeout: 2 * time.Second}
	cfg.WebSocket.Linger = time.Hour
	s := serveFake(t, 1, cfg)
	w := wstest.Open(t, s.dial(""), "/raw?echo")
	fake(&cfg)
	if err := s.pool.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	s.echoes(w.Conn, w.Conn, string(ws.AppendHeader(nil, ws.Text, true, false, 0)))
	if got := w.Next(); got != "close 1001" {
		t.Errorf("got %q", got)
	}
}

func TestRawSocketsWhenTheServerStops(t *testing.T) {
	s := serveFake(t, 2, Config{App: "ok=4"})
	w := wstest.Open(t, s.dial(""), "/raw?echo")
	s.eng.Drain()
	if got := w.Next(); got != "close 1012" {
		t.Errorf("got %q", got)
	}
}
