package python

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
	"github.com/asteri/asteri-loop/websocket"
)

const socketApp = `
import asyncio, json, os

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
        return
    if scope["type"] != "websocket":
        raise RuntimeError("no lifespan")
    path = scope["path"].replace("/mount", "")
    assert await receive() == {"type": "websocket.connect"}
    if path == "/refuse":
        return await send({"type": "websocket.close"})
    if path == "/deny":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        return await send({"type": "websocket.http.response.body", "body": b"you"})
    if path == "/early":
        raise ValueError("before it accepts")
    if path == "/return":
        return
    if path == "/forged":
        return await send({"type": "websocket.accept", "subprotocol": "forged"})
    while path == "/held" and not os.path.exists(scope["query_string"].decode()):
        await asyncio.sleep(0.001)
    if path == "/hang":
        await asyncio.sleep(3600)
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[-1], "headers": [(b"x-pid", b"%d" % os.getpid())]})
    if path == "/accepted-return":
        return
    if path == "/late":
        raise ValueError("after it has accepted")
    if path == "/close":
        return await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
    if path == "/scope":
        scope = {k: v for k, v in scope.items() if k not in ("headers", "asgi", "raw_path", "query_string", "client", "server")}
        await send({"type": "websocket.send", "text": json.dumps(scope, sort_keys=True, default=lambda one: type(one).__name__)})
    if path == "/flood":
        for i in range(100):
            await send({"type": "websocket.send", "bytes": bytes([i]) * 100_000})
    if path in ("/gate", "/count"):
        while not os.path.exists(scope["query_string"].decode()):
            await asyncio.sleep(0.001)
    if path == "/count":
        taken = 0
        while (message := await receive())["type"] == "websocket.receive":
            taken += 1
        with open("ended", "a") as f:
            f.write("%s %s %s %s\n" % (path, taken, message["code"], message["reason"]))
        return
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            with open("ended", "a") as f:
                f.write("%s %s %s\n" % (path, message["code"], message["reason"]))
            try:
                await send({"type": "websocket.send", "text": "late"})
            except OSError:
                return
            raise RuntimeError("a send after the end was taken")
        if message.get("text") == "die":
            os.kill(os.getpid(), 9)
        if message.get("text") == "two":
            await asyncio.gather(*[send({"type": "websocket.send", "bytes": bytes([i]) * 300_000}) for i in (1, 2)])
            continue
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
`

func serveSockets(t *testing.T, cfg Config) *server {
	t.Helper()
	return serveApp(t, socketApp, cfg)
}

func (s *server) tcp() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) socket(path string, fields ...string) *wstest.Client {
	s.t.Helper()
	return wstest.Open(s.t, s.tcp(), path, fields...)
}

// ended waits until the application has been told of an end.
func (s *server) ended(want string) {
	s.t.Helper()
	file := s.pool.config().Chdir + "/ended"
	var got []byte
	eventually(s.t, want, func() bool {
		got, _ = os.ReadFile(file)
		return strings.Contains(string(got), want+"\n")
	})
	_ = os.Remove(file)
}

func TestSocketEcho(t *testing.T) {
	s := serveSockets(t, Config{})
	for range 4 { // on whichever loop
		c := s.socket("/", "Sec-WebSocket-Protocol: chat, superchat")
		if h := c.Response.Header; h.Get("Sec-WebSocket-Protocol") != "superchat" || h.Get("X-Pid") == "" {
			t.Errorf("got %v", h)
		}
		for _, text := range []string{"hello", "", "grüße", "日本語", "\U0001F600"} {
			c.Text(text)
			c.Expect("text " + text)
			c.Binary(text)
			c.Expect("binary " + text)
		}
		for range 100 {
			c.Write(append(wstest.Frame(ws.Text, true, "a"), wstest.Frame(ws.Text, true, "é")...))
		}
		for range 100 {
			c.Expect("text a", "text é")
		}
		c.Close(3456, "bye")
		c.Expect("close 3456", "end")
		s.ended("/ 3456 bye")
	}
}

// Messages larger than a frame of the link, a window or a batch.
func TestLargeMessages(t *testing.T) {
	s := serveSockets(t, Config{WebSocket: websocket.Options{MaxMessageSize: 20 << 20}})
	c := s.socket("/")
	whole := strings.Repeat("€", 6<<20)
	c.Text(whole)
	c.Expect("text " + whole)
	for _, n := range []int{65536, 300_000, 1 << 20, 3<<20 + 1} {
		for _, char := range []string{"x", "é", "€"} {
			text := strings.Repeat(char, n/len(char))
			c.Text(text)
			c.Expect("text " + text)
		}
		c.Binary(strings.Repeat("\xFF", n))
		c.Expect("binary " + strings.Repeat("\xFF", n))
	}
}

func TestSocketsAreRefused(t *testing.T) {
	s := serveSockets(t, Config{Timeout: 500 * time.Millisecond, QueueTimeout: patience})
	for path, want := range map[string]struct {
		status int
		log    string
	}{
		"/refuse": {403, ""}, "/deny": {401, ""}, "/early": {500, "before it accepts"},
		"/return": {500, "without accepting or refusing"}, "/forged": {500, "did not offer"}, "/hang": {504, "timed out"},
	} {
		c := wstest.Shake(t, s.tcp(), wstest.Head(path))
		if c.Response.StatusCode != want.status || !s.log.Has(want.log) {
			t.Errorf("%s: got %s", path, c.Response.Status)
		}
		if path == "/deny" && c.Response.Header.Get("X-Why") != "because" {
			t.Errorf("denied with %v", c.Response.Header)
		}
	}
	bad := wstest.Shake(t, s.tcp(), strings.Replace(wstest.Head("/"), "13", "12", 1))
	if bad.Response.StatusCode != 426 {
		t.Errorf("version 12: got %s", bad.Response.Status)
	}
}

func TestSocketsEndWithTheirCall(t *testing.T) {
	s := serveSockets(t, Config{})
	for path, want := range map[string]string{"/accepted-return": "close 1000", "/late": "close 1011", "/close": "close 4001 enough"} {
		c := s.socket(path)
		c.Expect(want)
		c.Close(1000, "")
		c.Expect("end")
	}
	if !s.log.Has("ValueError: after it has accepted") || !s.log.Has("Traceback") {
		t.Error("the log lacks the failure")
	}
	for name, end := range map[string]func(c *wstest.Client){
		"/a 1006 ": func(c *wstest.Client) { c.Conn.Close() },
		"/b 1005 ": func(c *wstest.Client) { c.Frame(ws.Close, true, "") },
		"/c 1007 text is not UTF-8": func(c *wstest.Client) {
			c.Write(append(wstest.Frame(ws.Text, true, "still answered"), wstest.Frame(ws.Text, true, "\xFF")...))
			c.Expect("text still answered", "close 1007 text is not UTF-8", "end")
		},
	} {
		end(s.socket(name[:2]))
		s.ended(name)
	}
	eventually(t, "no socket is left", func() bool { return s.pool.Snapshot().Workers[0].Sockets == 0 })
}

func TestScopeOfASocket(t *testing.T) {
	s := serveSockets(t, Config{RootPath: "/mount"})
	c := s.socket("/scope?a=1", "Sec-WebSocket-Protocol: x,y ,", "Sec-WebSocket-Protocol: z")
	c.Expect(`text {"extensions": {"asteri.drain": {"event": "Event"}, "websocket.http.response": {}}, "http_version": "1.1", "path": "/mount/scope", ` +
		`"root_path": "/mount", "scheme": "ws", "subprotocols": ["x", "y", "z"], "type": "websocket"}`)
}

// An application that is late gets all that a client has sent which has left by then,
// and its code.
func TestLateApplicationGetsAll(t *testing.T) {
	s := serveSockets(t, Config{})
	file := s.pool.config().Chdir + "/open"
	c := s.socket("/count?" + file)
	const messages = 100 // more than the window and less than two
	for range messages {
		c.Text(strings.Repeat("x", 1<<10))
	}
	c.Close(1000, "bye")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.ended(fmt.Sprintf("/count %d 1000 bye", messages))
	c.Expect("close 1000", "end")
}

// An application that does not receive has its client wait; one whose client does
// not read waits itself; and then all arrives.
func TestSocketBackPressure(t *testing.T) {
	s := serveSockets(t, Config{})
	file := s.pool.config().Chdir + "/open"
	c := s.socket("/gate?" + file)
	frame := wstest.Frame(ws.Binary, true, strings.Repeat("x", 8<<10))
	sent := 0
	for ; c.Conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)) == nil; sent++ {
		if n, err := c.Conn.Write(frame); err != nil {
			if n > 0 { // the rest of it
				defer func(rest []byte) { c.Write(rest) }(frame[n:])
			}
			break
		}
		if sent > 1<<16 {
			t.Fatal("it is read without an end")
		}
	}
	if w := s.pool.Snapshot().Workers[0]; w.Sockets != 1 || w.InFlight != 0 {
		t.Errorf("got %+v", w)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range sent {
		c.Expect("binary " + strings.Repeat("x", 8<<10))
	}
	flood := s.socket("/flood")
	time.Sleep(50 * time.Millisecond) // so that it meets its windows
	for i := range 100 {
		flood.Expect("binary " + strings.Repeat(string([]byte{byte(i)}), 100_000))
	}
	flood.Text("two")
	for _, i := range []byte{1, 2} { // not mixed up
		flood.Expect("binary " + strings.Repeat(string([]byte{i}), 300_000))
	}
}

// Open sockets take no slot of requests, no timeout ends them, and they are spread
// over the workers.
func TestOpenSocketsAreNoRequests(t *testing.T) {
	s := serveSockets(t, Config{WorkerConnections: 2, WebSocketConnections: 20, Workers: 2, Timeout: 300 * time.Millisecond})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	var open []*wstest.Client
	pids := map[string]int{}
	for range 20 {
		c := s.socket("/")
		pids[c.Response.Header.Get("X-Pid")]++
		open = append(open, c)
	}
	if len(pids) != 2 {
		t.Errorf("spread as %v", pids)
	}
	for pid, n := range pids {
		if n != 10 {
			t.Errorf("%s has %d of 20", pid, n)
		}
	}
	time.Sleep(600 * time.Millisecond) // what is not to happen takes its time
	if r := s.get("/"); r.status != 200 {
		t.Errorf("got %d", r.status)
	}
	for _, c := range open {
		c.Text("still there")
		c.Expect("text still there")
	}
}

func TestSocketsOfAWorkerThatDies(t *testing.T) {
	s := serveSockets(t, Config{})
	c := s.socket("/")
	c.Text("die")
	c.Expect("close 1011")
	eventually(t, "another worker", func() bool { return s.get("/").status == 200 })
	s.socket("/").Text("a")
}

func TestReloadWithSockets(t *testing.T) {
	for name, test := range map[string]struct {
		linger, grace time.Duration
		want          string
	}{
		"at once": {0, patience, "close 1012"},
		"linger":  {500 * time.Millisecond, patience, "close 1012"},
		"grace":   {time.Hour, 1500 * time.Millisecond, "close 1001"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{GracefulTimeout: test.grace, WebSocket: websocket.Options{Linger: test.linger}}
			s := serveSockets(t, cfg)
			c := s.socket("/")
			before := s.pool.Snapshot().Workers[0].PID
			if err := s.pool.Reload(context.Background(), *s.pool.config()); err != nil {
				t.Fatal(err)
			}
			if test.linger > 0 {
				c.Text("lingers")
				c.Expect("text lingers")
			}
			next := s.socket("/")
			if pid := next.Response.Header.Get("X-Pid"); pid == fmt.Sprint(before) {
				t.Error("the old worker got a new socket")
			}
			c.Expect(test.want)
			c.Close(1000, "")
			c.Expect("end")
			eventually(t, "the old worker has gone", func() bool { return len(s.pool.Snapshot().Workers) == 1 })
			next.Text("a")
			next.Expect("text a")
		})
	}
}

// A worker's MESSAGES and ACCEPT may be anything.
func TestViolationsWithSockets(t *testing.T) {
	for _, what := range []string{"accept-http", "unknown", "odd", "window", "text", "tuple", "int", "frame"} {
		t.Run(what, func(t *testing.T) {
			s := serveFake(t, 2, Config{App: "stream"})
			path := "/socket?" + what
			if what == "accept-http" {
				if r := s.get(path); r.status != 502 {
					t.Errorf("got %d", r.status)
				}
			} else {
				c := s.socket(path)
				for got := c.Next(); !strings.HasPrefix(got, "close"); got = c.Next() {
					if !strings.HasPrefix(got, "binary") {
						t.Fatalf("got %q", got)
					}
				}
			}
			// It is killed, unless it has ended by then, since nobody listens to it any more.
			eventually(t, "the worker has gone", func() bool { return s.log.Has("broke the link's protocol") && s.log.Has("worker_number=2") })
			if r := s.get("/"); r.status != 200 {
				t.Errorf("afterwards: %d", r.status)
			}
		})
	}
}
