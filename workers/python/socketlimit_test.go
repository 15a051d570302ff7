package python

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// handshake asks for a WebSocket and returns the client, whatever the answer is.
func (s *server) handshake(path string) *wstest.Client {
	s.t.Helper()
	return wstest.Shake(s.t, s.tcp(), wstest.Head(path))
}

func (s *server) refusesSockets(path string) {
	s.t.Helper()
	if c := s.handshake(path); c.Response.StatusCode != 503 || c.Response.Header.Get("Retry-After") == "" {
		s.t.Errorf("got %s with %v", c.Response.Status, c.Response.Header)
	}
}

// A worker has so many WebSockets open and no more; requests go on, and so do
// handshakes once there is room.
func TestOpenSocketsAreBounded(t *testing.T) {
	s := serveSockets(t, Config{Workers: 2, WebSocketConnections: 2})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	pids := map[string]int{}
	var open []*wstest.Client
	for range 4 {
		c := s.socket("/")
		pids[c.Response.Header.Get("X-Pid")]++
		open = append(open, c)
	}
	if len(pids) != 2 || pids[open[0].Response.Header.Get("X-Pid")] != 2 {
		t.Errorf("spread as %v", pids)
	}
	s.refusesSockets("/")
	if n := s.pool.Snapshot().Refused; n != 1 {
		t.Errorf("%d refusals counted", n)
	}
	if r := s.get("/"); r.status != 200 {
		t.Errorf("a request got %d", r.status)
	}
	eventually(t, "the log says so", func() bool { return s.log.Has("--websocket-connections") })
	open[0].Close(1000, "")
	open[0].Expect("close 1000", "end")
	s.ended("/ 1000 ")
	eventually(t, "there is room again", func() bool { return s.handshake("/").Response.StatusCode == 101 })
}

// The default is that of requests.
func TestOpenSocketsAreBoundedByDefault(t *testing.T) {
	s := serveSockets(t, Config{WorkerConnections: 1})
	s.socket("/")
	s.refusesSockets("/")
}

// Handshakes that the application has under way at the same time do not lead beyond
// the bound: those that it accepts too late are as if the client had left.
func TestOpenSocketsAreBoundedAmongHandshakes(t *testing.T) {
	s := serveSockets(t, Config{WebSocketConnections: 2})
	gate := filepath.Join(t.TempDir(), "gate")
	statuses := make(chan int)
	for range 5 {
		c := s.tcp()
		go func() {
			statuses <- wstest.Shake(t, c, wstest.Head("/held?"+gate)).Response.StatusCode
		}()
	}
	eventually(t, "all are with the application", func() bool {
		n := 0
		for _, w := range s.pool.Snapshot().Workers {
			n += w.InFlight
		}
		return n == 5
	})
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := map[int]int{}
	for range 5 {
		got[<-statuses]++
	}
	if got[101] != 2 || got[503] != 3 {
		t.Errorf("got %v", got)
	}
	s.ended("/held 1006 ")
}

// Connections that a Tornado application has taken over count as open, whether it
// has returned or not.
func TestTakenConnectionsAreBounded(t *testing.T) {
	for _, what := range []string{"echo", "detached"} {
		t.Run(what, func(t *testing.T) {
			s := serveFake(t, 2, Config{App: "tornado", WebSocketConnections: 1})
			c, in := s.tunnel(what)
			s.echoes(c, in, "hello")
			eventually(t, "it is full", func() bool {
				_, _, resp := s.upgrade(what)
				return resp.StatusCode == 503
			})
			s.echoes(c, in, "still here")
			c.Close()
			eventually(t, "there is room again", func() bool {
				_, _, resp := s.upgrade(what)
				return resp.StatusCode == 101
			})
		})
	}
	s := serveFake(t, 2, Config{App: "ok=4", WebSocketConnections: 1})
	for range 3 { // a WSGI application's are calls
		c, in := s.tunnel("echo")
		s.echoes(c, in, "hello")
	}
}
