package python

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// What the front does with workers that behave, and with those that do not.

func bothLoops(t *testing.T, test func(t *testing.T, loops int)) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d loops", n), func(t *testing.T) { test(t, n) })
	}
}

func TestAnswers(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2})
		for range 20 {
			s.expect(s.get("/"), 200, "hello")
		}
		s.expect(s.get("/stream?1000000"), 200, strings.Repeat("d", 1_000_000))
		s.expect(s.get("/stream?0"), 200, "")
		s.expect(s.get("/file?300000"), 200, strings.Repeat("f", 300_000))
		s.expect(s.get("/spooled?400000"), 200, strings.Repeat("d", 400_000)+strings.Repeat("f", 400_000)+"ddddd")
		s.expect(s.get("/linger?1"), 200, "lingers")
		s.expect(s.get("/error"), 500, "")
		s.expect(s.get("/nothing"), 500, "")
		for _, path := range []string{"/abort", "/cut"} {
			if r := s.get(path); r.err == nil {
				t.Errorf("%s ended cleanly: %d %q", path, r.status, r.body)
			}
		}
		if !s.log.has("Traceback (fake)") || !s.log.has("it broke") {
			t.Error("the log does not say what failed")
		}
	})
}

func TestRequestBodies(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		t.Run("whole", func(t *testing.T) {
			testBodies(t, loops, "ok", "file 300000 300000 300000", "inline 1000 1000")
		})
		t.Run("streamed", func(t *testing.T) {
			testBodies(t, loops, "stream", "streamed 300000 300000", "streamed 1000 -1")
		})
	})
}

func testBodies(t *testing.T, loops int, app, large, chunked string) {
	s := serveFake(t, loops, Config{App: app})
	s.expect(s.do("POST", "/body", strings.NewReader("x")), 200, "inline 1 1")
	s.expect(s.do("POST", "/body", bytes.NewReader(make([]byte, 300_000))), 200, large)
	s.expect(s.do("POST", "/body", io.MultiReader(bytes.NewReader(make([]byte, 1000)))), 200, chunked)
}

func TestHeaderOfAnAnswer(t *testing.T) {
	s := serveFake(t, 1, Config{})
	for what, status := range map[string]int{"right": 200, "hop": 200, "latin1": 200, "wide": 500, "split": 500, "number": 500, "long": 500} {
		r := s.get("/header?" + what)
		if r.status != status && r.err == nil {
			t.Errorf("%s: got %d, want %d", what, r.status, status)
		}
		if status == 200 && (string(r.body) != "body" || r.err != nil) {
			t.Errorf("%s: body %q, %v", what, r.body, r.err)
		}
		if c := r.header.Get("Set-Cookie"); c != "" {
			t.Errorf("%s: injected a field %q", what, c)
		}
		if what == "latin1" && (r.header.Get("X") != "caf\xe9" || r.header.Get("Y") != "raw\xff") {
			t.Errorf("latin-1 became %q, %q", r.header.Get("X"), r.header.Get("Y"))
		}
	}
	if r := s.get("/header?short"); r.err == nil {
		t.Errorf("a body shorter than its Content-Length ended cleanly: %d %q", r.status, r.body)
	}
	r := s.do("HEAD", "/header?short", nil)
	if r.status != 200 || r.header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d, Content-Length %q", r.status, r.header.Get("Content-Length"))
	}
}

func TestInterimAndTrailers(t *testing.T) {
	s := serveFake(t, 1, Config{})
	req, _ := http.NewRequest("GET", "http://"+s.addr+"/trailers", nil)
	var hints []string
	req = req.WithContext(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("Link")))
			return nil
		},
	}))
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(hints) != "[103</a.css>]" || resp.Trailer.Get("X-Sum") != "10" {
		t.Errorf("interim %v, trailer %v", hints, resp.Trailer)
	}
}

func TestWorkerDeath(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2})
		s.expect(s.do("POST", "/die", nil), 502, "")
		if n := s.pool.Snapshot().Retried; n != 0 {
			t.Errorf("POST was tried again")
		}
		s.expect(s.get("/die"), 502, "")
		if n := s.pool.Snapshot().Retried; n != 1 {
			t.Errorf("GET was tried again %d times", n)
		}
		if r := s.get("/half"); r.err == nil {
			t.Errorf("half a body ended cleanly: %d, %d bytes", r.status, len(r.body))
		}
		eventually(t, "two workers again", func() bool { return s.count("IDLE") == 2 })
		s.expect(s.get("/"), 200, "hello")
		if n := s.pool.Snapshot().Crashed; n != 4 {
			t.Errorf("%d crashes counted", n)
		}
	})
}

func TestViolationsEndTheWorker(t *testing.T) {
	s := serveFake(t, 2, Config{})
	for _, what := range []string{"type", "length", "stream", "marshal", "shape", "twice", "early", "window", "nofile", "control"} {
		before := s.pool.Snapshot().Workers[0].PID
		r := s.do("POST", "/violate?"+what, nil)
		if r.err == nil && r.status < 500 {
			t.Errorf("%s: got %d %q", what, r.status, r.body)
		}
		eventually(t, "a new worker after "+what, func() bool {
			w, ok := s.worker("IDLE")
			return ok && w.PID != before
		})
	}
	if n := strings.Count(s.log.String(), "worker sent what it may not"); n != 10 {
		t.Errorf("the log says so %d times", n)
	}
}

func TestLinkClosedByTheWorker(t *testing.T) {
	s := serveFake(t, 1, Config{})
	s.expect(s.do("POST", "/eof", nil), 502, "")
	eventually(t, "a new worker", func() bool { _, ok := s.worker("IDLE"); return ok })
	s.expect(s.get("/"), 200, "hello")
}

func TestBootFailures(t *testing.T) {
	cases := map[string]struct{ phase, message, traceback string }{
		"fail":    {"import", "no such thing", "Traceback..."},
		"exit":    {"start", "exited with status 7", "last words"},
		"hang":    {"start", "not ready after 300ms", ""},
		"garbage": {"start", "longer than 16 MiB", ""},
	}
	for app, want := range cases {
		t.Run(app, func(t *testing.T) {
			cfg := Config{App: app, Workers: 2, BootTimeout: 300 * time.Millisecond}
			if app != "hang" {
				cfg.BootTimeout = patience
			}
			fake(&cfg)
			s := serve(t, 1, cfg)
			_, err := s.pool.Ready(context.Background())
			var boot *BootError
			if !errors.As(err, &boot) || boot.Phase != want.phase || !strings.Contains(boot.Message, want.message) || !strings.Contains(boot.Traceback, want.traceback) {
				t.Errorf("got %#v", err)
			}
			s.stop()
			s.expect(s.get("/"), 503, "")
		})
	}
}

func TestMissingInterpreter(t *testing.T) {
	s := serve(t, 1, Config{App: "x", Interpreter: "/nonexistent/python"})
	_, err := s.pool.Ready(context.Background())
	var boot *BootError
	if !errors.As(err, &boot) || boot.Phase != "interpreter" || boot.Hint == "" {
		t.Errorf("got %#v", err)
	}
}

func TestCrashLoopIsSlowedAndExplained(t *testing.T) {
	cfg := Config{App: "flaky"}
	fake(&cfg)
	s := serve(t, 1, cfg)
	s.ready()
	s.expect(s.do("POST", "/die", nil), 502, "")
	eventually(t, "the log names the crash loop", func() bool {
		return s.log.has("workers keep dying") && s.log.has("exited with status 9 before it was ready")
	})
	waits := s.async("GET", "/")
	eventually(t, "the request waits", func() bool { return s.pool.Snapshot().Queued == 1 })
	s.stop()
	s.expect(s.wait(waits), 503, "")
}

func TestTimeout(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Timeout: 300 * time.Millisecond})
		before := s.waitFor("IDLE").PID
		s.expect(s.get("/hang?secret"), 504, "")
		eventually(t, "a new worker", func() bool { w, ok := s.worker("IDLE"); return ok && w.PID != before })
		s.expect(s.get("/"), 200, "hello")
		if s.pool.Snapshot().TimedOut != 1 || !s.log.has("/hang") || s.log.has("secret") || !s.log.has("at the fake stack") {
			t.Error("the log does not tell the story")
		}
	})
}

func TestStoppedProcessIsReplaced(t *testing.T) {
	s := serveFake(t, 1, Config{Timeout: 400 * time.Millisecond})
	before := s.waitFor("IDLE").PID
	s.expect(s.get("/stop"), 504, "")
	eventually(t, "a new worker", func() bool { w, ok := s.worker("IDLE"); return ok && w.PID != before })
}

func TestQueue(t *testing.T) {
	s := serveFake(t, 1, Config{QueueSize: 2, Timeout: -1})
	s.warmDown()
	path, open := s.gate()
	running := s.async("GET", path)
	s.waitFor("BUSY")
	var waiting []<-chan clientReply
	for n := 1; n <= 2; n++ {
		waiting = append(waiting, s.async("POST", "/"))
		eventually(t, "the request waits", func() bool { return s.pool.Snapshot().Queued == n })
	}
	r := s.get("/")
	if r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("a full queue answered %d, Retry-After %q", r.status, r.header.Get("Retry-After"))
	}
	open()
	s.expect(s.wait(running), 200, "passed")
	for _, c := range waiting {
		s.expect(s.wait(c), 200, "hello")
	}
	if n := s.pool.Snapshot().Refused; n != 1 {
		t.Errorf("%d refusals counted", n)
	}
}

// warmDown takes the credit from the only worker by a slow request, so that what
// comes next waits in the queue and not in the link.
func (s *server) warmDown() {
	s.t.Helper()
	s.expect(s.get("/sleep?20"), 200, "slept")
}

func TestQueueTimeout(t *testing.T) {
	s := serveFake(t, 1, Config{QueueTimeout: 50 * time.Millisecond})
	s.warmDown()
	path, open := s.gate()
	running := s.async("GET", path)
	s.waitFor("BUSY")
	s.expect(s.get("/"), 503, "")
	open()
	s.expect(s.wait(running), 200, "passed")
	if n := s.pool.Snapshot().Expired; n != 1 {
		t.Errorf("%d expired", n)
	}
}

func TestClientThatLeavesIsForgotten(t *testing.T) {
	for _, how := range []string{"reset", "close"} {
		t.Run(how, func(t *testing.T) {
			s := serveFake(t, 1, Config{})
			s.warmDown()
			path, open := s.gate()
			running := s.async("GET", path)
			s.waitFor("BUSY")
			c := s.dial("POST /die HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			eventually(t, "the request waits", func() bool { return s.pool.Snapshot().Queued == 1 })
			if how == "reset" {
				c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
			eventually(t, "the request is forgotten", func() bool { return s.pool.Snapshot().Queued == 0 })
			open()
			s.expect(s.wait(running), 200, "passed")
			s.expect(s.get("/"), 200, "hello")
			if n := s.pool.Snapshot().Crashed; n != 0 {
				t.Error("the request of a client that had left was run")
			}
		})
	}
}

// giveCredit lets calls wait in the links, as if the workers had been quick.
func (s *server) giveCredit() {
	d := s.pool.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.workers {
		w.room.credit = maxCredit
	}
}

func TestRecallFromBehindASlowRequest(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2})
		eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
		firstPath, openFirst := s.gate()
		slowPath, openSlow := s.gate()
		first, slow := s.async("GET", firstPath), s.async("GET", slowPath)
		eventually(t, "both are busy", func() bool { return s.count("BUSY") == 2 })
		s.giveCredit()
		var behind []<-chan clientReply
		for range 4 {
			behind = append(behind, s.async("POST", "/"))
		}
		eventually(t, "they wait in the links", func() bool { return s.inFlight() == 6 })
		openFirst()
		s.expect(s.wait(first), 200, "passed")
		for _, c := range behind {
			s.expect(s.wait(c), 200, "hello")
		}
		openSlow()
		s.expect(s.wait(slow), 200, "passed")
	})
}

func TestReload(t *testing.T) {
	s := serveFake(t, 2, Config{Workers: 2})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	old := s.get("/").header.Get("X-Pid")
	path, open := s.gate()
	running := s.async("GET", path)
	eventually(t, "one is busy", func() bool { return s.count("BUSY") == 1 })
	for _, app := range []string{"fail", "exit"} {
		cfg := Config{App: app, Workers: 2}
		fake(&cfg)
		var boot *BootError
		if err := s.pool.Reload(context.Background(), cfg); !errors.As(err, &boot) {
			t.Errorf("reload with %s: %v", app, err)
		}
		s.expect(s.get("/"), 200, "hello")
	}
	cfg := Config{App: "ok", Workers: 3}
	fake(&cfg)
	if err := s.pool.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if pid := s.get("/").header.Get("X-Pid"); pid == old || pid == "" {
		t.Error("an old worker got a request after the reload")
	}
	open()
	s.expect(s.wait(running), 200, "passed")
	eventually(t, "three workers, and no other", func() bool { return s.count("IDLE") == 3 && len(s.pool.Snapshot().Workers) == 3 })
}

func TestDrainingWorkersAreLimited(t *testing.T) {
	s := serveFake(t, 1, Config{Timeout: -1, GracefulTimeout: time.Hour})
	held := []<-chan clientReply{s.async("POST", "/hang")}
	s.waitFor("BUSY")
	for range 2 {
		cfg := Config{App: "ok", GracefulTimeout: time.Hour, Timeout: -1}
		fake(&cfg)
		if err := s.pool.Reload(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		held = append(held, s.async("POST", "/hang"))
		s.waitFor("BUSY")
	}
	s.expect(s.wait(held[0]), 502, "")
	eventually(t, "one worker drains, one works", func() bool { return s.count("DRAINING") == 1 && s.count("BUSY") == 1 })
	s.pool.Kill()
	for _, c := range held[1:] {
		s.expect(s.wait(c), 502, "")
	}
}

func TestScale(t *testing.T) {
	s := serveFake(t, 1, Config{})
	s.pool.Scale(2)
	eventually(t, "three workers", func() bool { return s.count("IDLE") == 3 })
	s.pool.Scale(-5)
	eventually(t, "one worker", func() bool { return len(s.pool.Snapshot().Workers) == 1 })
	s.expect(s.get("/"), 200, "hello")
}

func TestGracefulStop(t *testing.T) {
	s := serveFake(t, 1, Config{})
	path, open := s.gate()
	running := s.async("GET", path)
	s.waitFor("BUSY")
	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	s.waitFor("DRAINING")
	open()
	<-stopped
	s.expect(s.wait(running), 200, "passed")
	if len(s.pool.Snapshot().Workers) != 0 {
		t.Error("workers are left")
	}
}

func TestGracefulStopHasAnEnd(t *testing.T) {
	s := serveFake(t, 1, Config{GracefulTimeout: 100 * time.Millisecond, Timeout: -1})
	running := s.async("POST", "/hang")
	s.waitFor("BUSY")
	s.stop()
	s.expect(s.wait(running), 502, "")
}

func TestCheckFake(t *testing.T) {
	cfg := Config{App: "ok=3", TempDir: t.TempDir()}
	fake(&cfg)
	info, err := Check(context.Background(), cfg)
	if err != nil || info.Interface != "wsgi" || info.Capacity != 3 {
		t.Errorf("got %+v, %v", info, err)
	}
	cfg.App = "fail"
	if _, err = Check(context.Background(), cfg); err == nil {
		t.Error("no error")
	}
}

// A slow client takes a large response: the worker is free at once, and memory
// stays small because the rest waits in a file.
func TestSlowReaderFreesABlockingWorker(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{})
		const size = 16 << 20
		c := s.dial(fmt.Sprintf("GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
		eventually(t, "the worker has made the response", func() bool {
			w, ok := s.worker("IDLE")
			return ok && w.Served == 1
		})
		s.expect(s.get("/"), 200, "hello")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if n != size || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
	})
}

func TestSpoolIsBounded(t *testing.T) {
	s := serveFake(t, 1, Config{ResponseSpoolMax: 1 << 20})
	const size = 32 << 20
	c := s.dial(fmt.Sprintf("GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
	s.waitFor("BUSY")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if n != size || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// An asynchronous worker is held back instead.
func TestSlowReaderHoldsAnAsynchronousWorkerBack(t *testing.T) {
	s := serveFake(t, 1, Config{App: "stream"})
	const size = 32 << 20
	c := s.dial(fmt.Sprintf("GET /stream?%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
	s.waitFor("BUSY")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := s.worker("BUSY"); !ok || w.Served != 0 {
		t.Error("the worker has finished before the client read")
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if n != size || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}
