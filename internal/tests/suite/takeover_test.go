//go:build linux

package suite

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// Applications that take over the client's connection: by a socket in the environ,
// or as Tornado's WebSocketHandler does.

var greenModels = []string{"gevent", "gtornado"}

// takeovers serves an application under each model and runs the checks in HTTP/1.1,
// plain and over TLS. Afterwards the server and its worker must have given back
// every descriptor.
func takeovers(t *testing.T, name string, models, env []string, checks map[string]func(t *testing.T, s *server, c *client)) {
	for _, model := range models {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := launchServer(t, launch{args: app(name, model+":1", "--threads", "4", "--http-protocols", "h1,h2"), env: env})
			s.awaitReady()
			equal(t, "page", s.over(t, "http").get("/").want(t, 200), "plain")
			front, worker := descriptors(t, s.pid), s.workers()[0]
			before := descriptors(t, worker)
			for _, scheme := range []string{"http", "https"} {
				t.Run(scheme, func(t *testing.T) {
					for what, check := range checks {
						t.Run(what, func(t *testing.T) { check(t, s.in(t), s.over(t, scheme)) })
					}
				})
			}
			s.quietly(front)
			s.eventually("the worker holds as few descriptors as before", func() bool { return descriptors(t, worker) <= before })
		})
	}
}

// checkEcho: messages of all sizes, and closing by either side.
func checkEcho(t *testing.T, s *server, c *client) {
	w := c.socket(s, "/echo")
	for _, size := range []int{1, 125, 126, 65536, 1 << 20} {
		text := strings.Repeat("x", size)
		w.Text(text)
		w.Expect("text " + text)
		w.Binary(strings.Repeat("\xFF", size))
		w.Expect("binary " + strings.Repeat("\xFF", size))
	}
	w.Frame(ws.Text, false, "Hel")
	w.Frame(ws.Continuation, true, "lo")
	w.Expect("text Hello")
	w.Frame(ws.Ping, true, "there")
	w.Expect("pong there")
	w.Close(ws.NormalClosure, "")
	ends(t, w)
}

// ends wants the end of a WebSocket. simple-websocket answers a Close on a thread of
// its own, which may find that the call has returned, and with it its connection.
func ends(t *testing.T, w *wstest.Client) {
	t.Helper()
	if got := w.Next(); got != "end" {
		contains(t, got, "close ")
		w.Expect("end")
	}
}

// checkVanishing: clients that leave in the middle.
func checkVanishing(t *testing.T, s *server, c *client) {
	for range 10 {
		w := c.socket(s, "/echo")
		w.Text("hello")
		w.Expect("text hello")
		w.Conn.Close()
	}
	equal(t, "page", c.get("/").want(t, 200), "plain")
}

func TestFlaskSock(t *testing.T) {
	t.Parallel()
	takeovers(t, "flask_sock_app:app", wsgiModels, nil, map[string]func(*testing.T, *server, *client){
		"echo": checkEcho,
		"application closes": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			w.Text("close")
			w.Expect("close 4001 enough", "end")
		},
		"compressed": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo", "Sec-WebSocket-Extensions: permessage-deflate")
			contains(t, w.Response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
			w.Inflater = inflater(t, w)
			w.Text("as small as can be")
			w.Expect("text as small as can be")
			w.Conn.Close()
		},
		"environ": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/where?q=1", "Cookie: a=b")
			scheme, _, _ := strings.Cut(c.base, ":")
			w.Expect("text " + scheme + "://example.org/where?q=1 127.0.0.1 b HTTP/1.1")
			w.Conn.Close()
		},
		"failure": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			w.Text("raise")
			ends(t, w)
			s.awaitLog("the secret of the failing socket")
		},
		"client does not read": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/push")
			w.Expect("text tick", "text tick")
			w.Conn.Close()
			equal(t, "page", c.get("/").want(t, 200), "plain")
		},
		"client vanishes": checkVanishing,
		"no handshake": func(t *testing.T, s *server, c *client) {
			equal(t, "no upgrade", c.get("/echo").StatusCode, 400)
			equal(t, "no such page", c.shake(s, wstest.Head("/nowhere")).Response.StatusCode, 404)
			equal(t, "a page", c.shake(s, wstest.Head("/")).Response.StatusCode, 400) // so says Werkzeug's routing
			w := c.shake(s, strings.Replace(wstest.Head("/echo"), "Sec-WebSocket-Key", "X-Key", 1))
			if status := w.Response.StatusCode; status < 400 {
				t.Errorf("no key: got %d", status)
			}
		},
	})
}

// inflater is for what the server has agreed to.
func inflater(t *testing.T, w *wstest.Client) *ws.Inflater {
	t.Helper()
	offer := w.Response.Header.Get("Sec-WebSocket-Extensions")
	agreed, ok := ws.CompressionTakeover.Negotiate(func(yield func([]byte) bool) { yield([]byte(offer)) })
	if !ok {
		t.Fatalf("the server agreed to %q", offer)
	}
	return agreed.Inflater()
}

func TestGeventWebSocket(t *testing.T) {
	t.Parallel()
	takeovers(t, "gevent_websocket_app:app", greenModels, nil, map[string]func(*testing.T, *server, *client){
		"echo":            checkEcho,
		"client vanishes": checkVanishing,
		"application returns": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/")
			w.Text("return")
			w.Expect("text return")
			ends(t, w)
		},
	})
}

// TestFlaskSocketIO: the client that browsers have, too, with both transports and
// with both libraries for WebSocket.
func TestFlaskSocketIO(t *testing.T) {
	t.Parallel()
	serve := func(t *testing.T, env ...string) map[string]func(*testing.T, *server, *client) {
		checks := map[string]func(*testing.T, *server, *client){}
		for _, transports := range []string{"polling websocket", "websocket"} {
			checks[transports] = func(t *testing.T, s *server, c *client) {
				arguments := append([]string{"-W", "ignore", filepath.Join(appsDir, "socketio_client.py"), c.base}, strings.Fields(transports)...)
				command := exec.Command(python, arguments...)
				command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
				out, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				contains(t, string(out), "served over "+transports[strings.LastIndexByte(transports, ' ')+1:])
			}
		}
		return checks
	}
	t.Run("gevent-websocket", func(t *testing.T) {
		t.Parallel()
		takeovers(t, "socketio_app:app", greenModels, nil, serve(t))
	})
	t.Run("simple-websocket", func(t *testing.T) {
		t.Parallel()
		takeovers(t, "socketio_app:app", greenModels, []string{"WITHOUT_GEVENT_WEBSOCKET=1"}, serve(t))
	})
	t.Run("threads", func(t *testing.T) {
		t.Parallel()
		takeovers(t, "socketio_app:app", []string{"gthread"}, []string{"ASYNC_MODE=threading"}, serve(t))
	})
}

func TestTornadoWebSocket(t *testing.T) {
	t.Parallel()
	takeovers(t, "tornado_socket_app:make_app()", tornadoModels, nil, map[string]func(*testing.T, *server, *client){
		"echo":            checkEcho,
		"client vanishes": checkVanishing,
		"closing": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			w.Text("close")
			w.Expect("close 4001 enough")
			w.Close(4001, "enough")
			w.Expect("end")
			w = c.socket(s, "/echo")
			w.Close(4321, "that is all")
			w.Expect("close 4321", "end")
			s.eventually("on_close was called", func() bool { return strings.Contains(c.get("/ended").body, "4321 that is all") })
		},
		"subprotocol": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo", "Sec-WebSocket-Protocol: chat, superchat")
			equal(t, "subprotocol", w.Response.Header.Get("Sec-WebSocket-Protocol"), "superchat")
			w.Conn.Close()
		},
		"compressed": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo?deflate=1", "Sec-WebSocket-Extensions: permessage-deflate")
			w.Inflater = inflater(t, w)
			text := strings.Repeat("as small as can be ", 5000)
			w.Text(text)
			w.Expect("text " + text)
			w.Text("close")
			w.Expect("close 4001 enough")
			w.Conn.Close()
		},
		"request": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/where?q=1")
			scheme, _, _ := strings.Cut(c.base, ":")
			w.Expect("text "+scheme+"://example.org/where?q=1 127.0.0.1 HTTP/1.1", "close 1005")
			w.Close(1000, "")
			w.Expect("end")
		},
		"refused": func(t *testing.T, s *server, c *client) {
			equal(t, "origin", c.shake(s, wstest.Head("/echo", "Origin: https://elsewhere.example")).Response.StatusCode, 403)
			equal(t, "own origin", c.shake(s, wstest.Head("/echo", "Origin: https://example.org")).Response.StatusCode, 101)
			equal(t, "no upgrade", c.get("/echo").StatusCode, 400)
			equal(t, "version", c.shake(s, strings.Replace(wstest.Head("/echo"), "Version: 13", "Version: 1", 1)).Response.StatusCode, 426)
			equal(t, "a page", c.shake(s, wstest.Head("/")).Response.StatusCode, 200)
		},
		"failure": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			w.Text("raise")
			w.Expect("end")
			s.awaitLog("the secret of the failing socket")
		},
		"too large": func(t *testing.T, s *server, c *client) {
			w := c.socket(s, "/echo")
			w.Write(ws.AppendMasked(nil, ws.Binary, true, false, [4]byte{}, make([]byte, 3<<20))[:100])
			w.Expect("close 1009 message too big")
			w.Conn.Close()
		},
	})
}

func TestTornadoPings(t *testing.T) {
	t.Parallel()
	for _, model := range tornadoModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := launchServer(t, launch{args: app("tornado_socket_app:make_app()", model), env: []string{"PING_INTERVAL=0.2"}})
			s.awaitReady()
			w := s.over(t, "http").socket(s, "/echo")
			for range 3 {
				w.Expect("ping ")
				w.Frame(ws.Pong, true, "")
			}
			w.Expect("ping ")
			contains(t, w.Next(), "close 1000 ping timed out")
			s.awaitLog("a socket was closed")
		})
	}
}

// TestTakenConnectionsAreToldOfTheEnd: when the worker is to end the client hears
// why, and the application that it has left.
func TestTakenConnectionsAreToldOfTheEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		app, model string
		sig        syscall.Signal
	}{
		{"flask_sock_app:app", "gevent", syscall.SIGHUP},
		{"flask_sock_app:app", "gthread", syscall.SIGTERM},
		{"gevent_websocket_app:app", "gevent", syscall.SIGTERM},
		{"tornado_socket_app:make_app()", "tornado", syscall.SIGHUP},
		{"tornado_socket_app:make_app()", "gtornado", syscall.SIGTERM},
	} {
		t.Run(test.app+test.sig.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t, app(test.app, test.model+":1", "--threads", "4")...)
			c := s.over(t, "http")
			w := c.socket(s, "/echo")
			w.Text("hello")
			w.Expect("text hello")
			s.signal(test.sig)
			w.Expect("close 1012", "end")
			if strings.HasPrefix(test.app, "tornado") {
				s.awaitLog("a socket was closed")
			}
			s.awaitLog("worker finished worker_number=1 ") // well before the end of its grace
			if test.sig == syscall.SIGTERM {
				equal(t, "exit status", s.wait(), 0)
				return
			}
			equal(t, "page", c.get("/").want(t, 200), "plain")
		})
	}
}

// TestTakeoverOutlivesTheTimeout: -t is for answers.
func TestTakeoverOutlivesTheTimeout(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"gevent", "gthread", "tornado"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			name := "flask_sock_app:app"
			if model == "tornado" {
				name = "tornado_socket_app:make_app()"
			}
			s := start(t, app(name, model+":2", "--threads", "4", "-t", "1")...)
			s.awaitLog(`worker ready worker_number=1 `)
			s.awaitLog(`worker ready worker_number=2 `)
			c := s.over(t, "http")
			w := c.socket(s, "/echo")
			equal(t, "slower than allowed, at the other worker", c.get("/slow").StatusCode, 504)
			w.Text("still here")
			w.Expect("text still here")
			w.Conn.Close()
		})
	}
}

// TestTakeoverWithoutDescriptors: a server that has none left for a socket says so,
// and goes on.
func TestTakeoverWithoutDescriptors(t *testing.T) {
	t.Parallel()
	s := start(t, app("flask_sock_app:app", "gevent:1")...)
	conn := s.dial()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	page, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	var old unix.Rlimit
	if err := unix.Prlimit(s.pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(s.pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	w := wstest.Shake(t, conn, wstest.Head("/echo"))
	equal(t, "status", w.Response.StatusCode, 503)
	if err := unix.Prlimit(s.pid, unix.RLIMIT_NOFILE, &old, nil); err != nil {
		t.Fatal(err)
	}
	w = s.over(t, "http").socket(s, "/echo")
	w.Text("hello")
	w.Expect("text hello")
	w.Conn.Close()
}

// TestTakeoverByConnect: an extended CONNECT, over HTTP/2 or HTTP/3, is to the
// application the handshake that it knows.
func TestTakeoverByConnect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ app, model, seen, page string }{
		{"flask_sock_app:app", "gevent", "127.0.0.1 None HTTP/1.1", "400"},
		{"flask_sock_app:app", "gthread", "127.0.0.1 None HTTP/1.1", "400"},
		{"tornado_socket_app:make_app()", "tornado", "127.0.0.1 HTTP/1.1", "501"}, // it answers 200, which would be an acceptance
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(test.app, test.model+":1", "--threads", "4", "--http-protocols", "h1,h2,h3")...)
			for _, scheme := range []string{"http", "https", "h3"} {
				c := s.over(t, scheme)
				stream, status := c.connect(s, "/where?q=1")
				equal(t, "status", status, "200")
				wstest.Join(t, stream).Expect(fmt.Sprintf("text %s/where?q=1 %s", c.base, test.seen))
				for path, want := range map[string]string{"/": test.page, "/nowhere": "404"} {
					_, status = c.connect(s, path)
					equal(t, path, status, want)
				}
				stream, status = c.connect(s, "/echo")
				equal(t, "status", status, "200")
				w := wstest.Join(t, stream)
				for _, size := range []int{5, 126, 20000} {
					w.Text(strings.Repeat("x", size))
					w.Expect("text " + strings.Repeat("x", size))
				}
				w.Close(ws.NormalClosure, "")
				ends(t, w)
			}
		})
	}
}
