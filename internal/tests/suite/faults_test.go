//go:build linux

package suite

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gate is a pair of files by which the test and an application wait for each
// other: entered is appended to by the application, leave made by the test.
type gate struct {
	t              testing.TB
	entered, leave string
}

func newGate(t testing.TB) gate {
	dir := t.TempDir()
	return gate{t, filepath.Join(dir, "entered"), filepath.Join(dir, "leave")}
}

// query is the gate as the parameters of the application's routes.
func (g gate) query() string {
	return url.Values{"entered": {g.entered}, "leave": {g.leave}}.Encode()
}

// pids returns the processes that have entered so far, in order.
func (g gate) pids() []int {
	text, err := os.ReadFile(g.entered)
	if err != nil {
		return nil
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			g.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func (g gate) open() {
	g.t.Helper()
	if err := os.WriteFile(g.leave, nil, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// pending is a request under way.
type pending struct {
	t    testing.TB
	done chan struct{}
	a    answer
	err  error
}

// send starts a request and returns at once.
func (c *client) send(method, path string) *pending {
	p := &pending{t: c.t, done: make(chan struct{})}
	r := c.request(method, path, nil)
	go func() {
		defer close(p.done)
		p.a, p.err = c.try(r)
	}()
	return p
}

// over tells whether the answer has come.
func (p *pending) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// answer waits for the answer.
func (p *pending) answer() answer {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("no answer within %v", patience)
	}
	if p.err != nil {
		p.t.Fatal(p.err)
	}
	return p.a
}

// hold starts a request that stays inside the application until g opens.
func (s *server) hold(c *client, g gate) *pending {
	s.t.Helper()
	before := len(g.pids())
	p := c.send("GET", "/hold?"+g.query())
	s.eventually("the request is inside the application", func() bool { return len(g.pids()) > before })
	return p
}

func pidOf(t testing.TB, c *client) int {
	t.Helper()
	pid, err := strconv.Atoi(c.get("/pid").want(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func kill(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestWorkerKilledWhileWorking: a request whose worker dies before its answer
// began is tried once more if its method allows it, and is 502 otherwise.
func TestWorkerKilledWhileWorking(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", model)...)
			c := s.over(t, "http")
			first := pidOf(t, c)

			g := newGate(t)
			contains(t, c.get("/die-once?entered="+url.QueryEscape(g.entered)).want(t, 200), "survived in")
			pids := g.pids()
			if len(pids) != 2 || pids[0] != first || pids[1] == first {
				t.Errorf("the request ran in %v, the first worker was %d", pids, first)
			}

			g = newGate(t)
			c.do("POST", "/die-once?entered="+url.QueryEscape(g.entered), nil).want(t, 502)
			equal(t, "tries of a POST", len(g.pids()), 1)
			s.awaitLog(`(?i)killed|SIGKILL|signal`)
		})
	}
}

// TestWorkerKilledWhileIdle: no client notices.
func TestWorkerKilledWhileIdle(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	c := s.over(t, "http")
	for range 3 {
		before := pidOf(t, c)
		kill(t, before)
		if after := pidOf(t, c); after == before {
			t.Errorf("process %d answered after it was killed", after)
		}
	}
}

// TestWorkerKilledWhileStarting: the next one is started, and who waits is served.
func TestWorkerKilledWhileStarting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open, waiting := filepath.Join(dir, "gate"), gate{t: t, entered: filepath.Join(dir, "gate.waiting")}
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, app("gated:app", "sync", "-e", "GATE="+open)...)
	c := s.over(t, "http")
	pid := pidOf(t, c)

	if err := os.Remove(open); err != nil {
		t.Fatal(err)
	}
	kill(t, pid)
	s.eventually("a second worker is starting", func() bool { return len(waiting.pids()) == 2 })
	request := c.send("GET", "/pid")
	kill(t, waiting.pids()[1])
	s.eventually("a third worker is starting", func() bool { return len(waiting.pids()) == 3 })
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	equal(t, "the worker that answers", request.answer().want(t, 200), strconv.Itoa(waiting.pids()[2]))
}

// TestCannotStart: an application that cannot be served ends the start with the
// reason and a status that a process manager understands.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, app, model string
		want             []string
	}{
		{"import error", "broken:app", "", []string{"Traceback", "broken.py", "a_module_that_does_not_exist"}},
		{"import error under gevent", "broken:app", "gevent", []string{"Traceback", "a_module_that_does_not_exist"}},
		{"no such module", "nowhere:app", "", []string{"nowhere"}},
		{"no such attribute", "meet:nothing", "", []string{"meet", "nothing"}},
		{"no such file", "nowhere/app.py", "", []string{"nowhere/app.py"}},
		{"not an application", "meet:os", "", []string{"not callable"}},
		{"process ends silently", "crashing:app", "", []string{"status 7"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, log, code := execute(t, app(test.app, test.model)...)
			if code <= 0 {
				t.Errorf("exit status %d", code)
			}
			contains(t, log, test.want...)
		})
	}
	t.Run("no such interpreter", func(t *testing.T) {
		t.Parallel()
		_, log, code := execute(t, "--chdir", appsDir, "--python", "/nowhere/python", "meet:app")
		if code <= 0 {
			t.Errorf("exit status %d", code)
		}
		contains(t, log, "/nowhere/python")
	})
}

// TestHang: the client gets its 504 whatever the application does, and the log says
// which request it was. One that can be ended is, and its worker serves on; else there is
// another worker.
func TestHang(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		for _, route := range []string{"/hang", "/spin", "/deaf"} {
			t.Run(model+route, func(t *testing.T) {
				t.Parallel()
				s := start(t, app("faults:app", model, "-t", "1")...)
				c := s.over(t, "http")
				first, g := pidOf(t, c), newGate(t)
				c.get(route+"?entered="+url.QueryEscape(g.entered)).want(t, http.StatusGatewayTimeout)
				equal(t, "tries", len(g.pids()), 1)
				// A thread that waits in the system hears of no exception, but for the main one.
				threads := model == "gthread" || model == "asgi"
				if route == "/spin" || route == "/hang" && !threads {
					s.awaitLog(`a request that took too long was interrupted, and its worker goes on`)
					equal(t, "the worker that goes on", pidOf(t, c), first)
					left, err := os.ReadFile(g.entered + ".left")
					equal(t, "the exception", string(left), "RequestTimeout: the request took longer than --timeout, which is 1s")
					if err != nil || strings.Contains(s.log.text(), "replacing worker") {
						t.Errorf("%v\n%s", err, s.log.text())
					}
					return
				}
				// Until the new worker is there requests wait, for as long as one may take (503).
				s.eventually("another worker serves", func() bool {
					a := c.get("/pid")
					if a.StatusCode == http.StatusGatewayTimeout || a.body == strconv.Itoa(first) {
						t.Fatalf("the hanging worker %d was given another request: %s", first, a.Status)
					}
					return a.StatusCode == http.StatusOK
				})
				s.awaitLog(`replacing worker .*did not end when it was interrupted`)
				s.awaitLog(`(?s)` + route + `.*` + strconv.Itoa(first) + `|` + strconv.Itoa(first) + `.*` + route)
				s.eventually("the hanging worker is gone", func() bool { return !alive(first) })
			})
		}
	}
}

// TestHangSparesOthers: replacing a worker for one request that hangs does not
// cut the others that it runs.
func TestHangSparesOthers(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "gthread", "--threads", "4", "-t", "2")...)
	c := s.over(t, "http")
	g, h := newGate(t), newGate(t)
	hanging := c.send("GET", "/hang?entered="+url.QueryEscape(h.entered))
	s.eventually("the first hangs", func() bool { return len(h.pids()) == 1 })
	// The second enters later, so that its time is not over when the first one's is.
	first, entered := pidOf(t, c), time.Now()
	s.eventually("the first is half as old as it may become", func() bool { return time.Since(entered) > time.Second })
	other := s.hold(c, g)
	hanging.answer().want(t, http.StatusGatewayTimeout)
	equal(t, "the worker of both", g.pids()[0], first)
	g.open()
	equal(t, "the other request", other.answer().want(t, 200), "held")
	s.eventually("the worker is gone", func() bool { return !alive(first) })
}

// TestDeathMidway: a body that will not be completed must not look complete.
func TestDeathMidway(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sync", "gthread", "gevent", "asgi"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", model)...)
			for _, scheme := range []string{"http", "https"} {
				c := s.over(t, scheme)
				for _, path := range []string{"/die-midway", "/die-midway?length=1000000"} {
					before := pidOf(t, c)
					a, err := c.try(c.request("GET", path, nil))
					if err == nil && a.StatusCode != http.StatusBadGateway {
						t.Errorf("%s ended cleanly: %s, %d bytes", path, a.Status, len(a.body))
					}
					if pidOf(t, c) == before {
						t.Errorf("process %d answered after its death", before)
					}
				}
			}
		})
	}
}

// TestExitInView: exit() in a view ends the request, not the service.
func TestExitInView(t *testing.T) {
	t.Parallel()
	for _, model := range wsgiModels {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", model)...)
			c := s.over(t, "http")
			if status := c.get("/exit").StatusCode; status != 500 && status != 502 {
				t.Errorf("status %d", status)
			}
			c.get("/pid").want(t, 200)
		})
	}
}

// TestSlowReader: a client that takes its large answer slowly does not hold the
// one worker there is, and gets it whole in the end.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", "sync")...)
			c, other := s.over(t, scheme), s.over(t, scheme)
			const size = 32 << 20
			slow, err := c.http.Do(c.request("GET", "/large?n="+strconv.Itoa(size), nil))
			if err != nil {
				t.Fatal(err)
			}
			defer slow.Body.Close()
			for range 10 {
				pidOf(t, other)
			}
			var got counter
			if _, err := io.Copy(&got, slow.Body); err != nil {
				t.Fatalf("after %d bytes: %v", got.n, err)
			}
			equal(t, "bytes", got.n, size)
			equal(t, "wrong bytes", got.wrong, 0)
		})
	}
}

// counter counts the bytes of faults.py's /large, and those that are not right.
type counter struct{ n, wrong int }

func (c *counter) Write(p []byte) (int, error) {
	const digits = "0123456789abcdef"
	for _, b := range p {
		if b != digits[c.n%16] {
			c.wrong++
		}
		c.n++
	}
	return len(p), nil
}

// TestSlowWriter: a client that sends its body slowly does not hold the one
// worker there is.
func TestSlowWriter(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync")...)
	c := s.over(t, "http")
	content := pattern(3 << 20)
	conn := s.dial()
	head := "POST /digest HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(content)) + "\r\n\r\n"
	write := func(b []byte) {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte(head))
	for piece := range chunks(content, 512<<10) {
		pidOf(t, c)
		write(piece)
	}
	var reply bytes.Buffer
	if _, err := reply.ReadFrom(conn); err != nil {
		t.Fatal(err)
	}
	contains(t, reply.String(), "HTTP/1.1 200", strconv.Itoa(len(content))+" "+digest(content))
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}
