package python

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
)

// Boot, death, reload and stop, with fake workers.

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

// A pool that awaits a reload answers those who wait, starts nothing meanwhile, and serves once
// there is something that can be started.
func TestAwaitReload(t *testing.T) {
	config := func(app string) Config {
		cfg := Config{App: app, Workers: 2, AwaitReload: true}
		fake(&cfg)
		return cfg
	}
	gate := filepath.Join(t.TempDir(), "gate")
	s := serve(t, 1, config("fail="+gate))
	waiting := s.async("GET", "/")
	eventually(t, "the request waits", func() bool { return s.pool.Snapshot().Queued == 1 })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var boot *BootError
	if _, err := s.pool.Ready(context.Background()); !errors.As(err, &boot) {
		t.Errorf("got %#v", err)
	}
	s.expect(s.wait(waiting), 503, "")
	for range 2 {
		if err := s.pool.Reload(context.Background(), config("fail")); !errors.As(err, &boot) {
			t.Errorf("got %#v", err)
		}
	}
	eventually(t, "no worker is left", func() bool { return len(s.pool.Snapshot().Workers) == 0 })
	if started := s.pool.Snapshot().Started; started > 6 {
		t.Errorf("%d workers were started by three who wanted two", started)
	}
	if err := s.pool.Reload(context.Background(), config("ok")); err != nil {
		t.Fatal(err)
	}
	if info, err := s.pool.Ready(context.Background()); err != nil || info.Interface == "" {
		t.Errorf("%+v, %v", info, err)
	}
	s.expect(s.get("/"), 200, "hello")
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
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
		return s.log.Has("workers keep dying") && s.log.Has("the worker ended before it was ready: it exited with status 9")
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
		if s.pool.Snapshot().TimedOut != 1 || !s.log.Has("/hang") || s.log.Has("secret") || !s.log.Has("at the fake stack") {
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
	s.hasBegun(path)
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
	s.hasBegun(path)
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
			s.hasBegun(path)
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
			if n := s.pool.Snapshot().Exits["crashed"]; n != 0 {
				t.Error("the request of a client that had left was run")
			}
		})
	}
}

// giveCredit lets calls wait in the links, as if the workers had been quick.
func (s *server) giveCredit() { s.pool.dispatcher.Trust() }

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

// TestACancelledCallSaysNothingOfItsWorker: one that was dropped before it was started took
// no time, and no centuries.
func TestACancelledCallSaysNothingOfItsWorker(t *testing.T) {
	s := serveApp(t, `
import os, time
def app(environ, start_response):
    start_response("200 OK", [])
    while environ["PATH_INFO"] == "/gate" and not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.005)
    return [b"passed"]
`, Config{Model: "gthread", Threads: 1, Workers: 1})
	path, open := s.gate()
	running := s.async("GET", path)
	s.waitFor("BUSY")
	s.giveCredit()
	c := s.dial("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	eventually(t, "it waits in the link", func() bool { return s.inFlight() == 2 })
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	eventually(t, "it was dropped", func() bool { return s.inFlight() == 1 })
	if all, _ := s.pool.dispatcher.Serving(); all[0].Credit != dispatch.MaxCredit {
		t.Errorf("its worker's credit is %d", all[0].Credit)
	}
	open()
	s.expect(s.wait(running), 200, "passed")
}

func TestReload(t *testing.T) {
	s := serveFake(t, 2, Config{Workers: 2})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	old := s.get("/").header.Get("X-Pid")
	path, open := s.gate()
	running := s.async("GET", path)
	s.hasBegun(path)
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

// TestMaxRequests: a worker that has served its number is relieved by another, and
// serves until that is ready. None is refused or waits for one.
func TestMaxRequests(t *testing.T) {
	s := serveFake(t, 1, Config{MaxRequests: 3, MaxRequestsJitter: 2})
	pids := make(map[string]int)
	eventually(t, "several workers serve", func() bool {
		a := s.get("/")
		s.expect(a, 200, "hello")
		pids[a.header.Get("X-Pid")]++
		return len(pids) == 4
	})
	eventually(t, "one worker is left", func() bool { return s.count("IDLE") == 1 && len(s.pool.Snapshot().Workers) == 1 })
	snapshot := s.pool.Snapshot()
	if snapshot.Exits["finished"] == 0 || snapshot.Exits["finished"] != snapshot.Started-1 || snapshot.Refused != 0 {
		t.Errorf("%+v", snapshot)
	}
	if w := snapshot.Workers[0]; w.Term < 3 || w.Term > 5 {
		t.Errorf("a worker serves %d", w.Term)
	}
}

// serveWithoutRelief serves with one worker, pid, that is to be relieved while no other can
// be started.
func serveWithoutRelief(t *testing.T) (s *server, pid string) {
	t.Helper()
	cfg := Config{App: "flaky", MaxRequests: 1}
	fake(&cfg)
	s = serve(t, 1, cfg)
	s.ready()
	pid = s.get("/").header.Get("X-Pid")
	eventually(t, "the log says that none can be started", func() bool {
		return s.log.Has("worker is to be relieved") && s.log.Has("workers keep dying")
	})
	return s, pid
}

// TestNoReliefNeedsNoWorker: while no other can be started, a worker serves on.
func TestNoReliefNeedsNoWorker(t *testing.T) {
	s, pid := serveWithoutRelief(t)
	if a := s.get("/"); a.header.Get("X-Pid") != pid {
		t.Errorf("served by %v", a.header)
	}
}

// Workers that ask to be replaced, again and again, do not pile up.
func TestDrainingWorkersAreLimited(t *testing.T) {
	s := serveFake(t, 1, Config{Timeout: -1, GracefulTimeout: time.Hour})
	var held []<-chan clientReply
	hang := func() {
		path := s.hang()
		held = append(held, s.async("POST", path))
		s.hasBegun(path)
	}
	hang()
	for range 2 {
		pid := s.waitFor("BUSY").PID
		s.pool.serving(pid).retire("it is a test")
		hang()
		eventually(t, "another works", func() bool { return s.count("BUSY") == 1 && s.waitFor("BUSY").PID != pid })
	}
	s.expect(s.wait(held[0]), 502, "")
	eventually(t, "one worker drains, one works", func() bool { return s.count("DRAINING") == 1 && s.count("BUSY") == 1 })
	s.pool.Kill()
	for _, c := range held[1:] {
		s.expect(s.wait(c), 502, "")
	}
}

// A reload waits for what has still to finish since the one before, and kills nothing.
func TestReloadWaitsForThoseWhoFinish(t *testing.T) {
	s := serveFake(t, 1, Config{Timeout: -1})
	path, open := s.gate()
	running := s.async("POST", path)
	s.hasBegun(path)
	reload := func() error {
		cfg := Config{App: "ok", Timeout: -1}
		fake(&cfg)
		return s.pool.Reload(context.Background(), cfg)
	}
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	s.waitFor("DRAINING")
	second := make(chan error, 1)
	go func() { second <- reload() }()
	eventually(t, "the third worker is there", func() bool { return len(s.pool.Snapshot().Workers) == 3 && s.count("STARTING") == 0 })
	s.expect(s.get("/"), 200, "hello")
	open()
	s.expect(s.wait(running), 200, "passed")
	if err := <-second; err != nil {
		t.Error(err)
	}
	eventually(t, "one worker is left", func() bool { return len(s.pool.Snapshot().Workers) == 1 })
}

// Nor does it kill the one that finishes beside those of its own, or what fewer workers
// leave no room for.
func TestReloadKillsNone(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 2, Timeout: -1})
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	var opens []func()
	var running []<-chan clientReply
	hold := func() {
		path, open := s.gate()
		running, opens = append(running, s.async("POST", path)), append(opens, open)
		s.hasBegun(path)
	}
	hold()
	if err := s.pool.Restart(s.waitFor("BUSY").PID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has a successor", func() bool { return s.count("DRAINING") == 1 && s.count("IDLE") == 2 })
	hold()
	hold()
	cfg := Config{App: "ok", Workers: 1, Timeout: -1}
	fake(&cfg)
	if err := s.pool.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three drain", func() bool { return s.count("DRAINING") == 3 })
	s.expect(s.get("/"), 200, "hello")
	for i, open := range opens {
		open()
		s.expect(s.wait(running[i]), 200, "passed")
	}
}

// A worker that waits for a successor that cannot be started holds up no reload.
func TestReloadInTheMiddleOfARelief(t *testing.T) {
	s, pid := serveWithoutRelief(t)
	cfg := Config{App: "ok"}
	fake(&cfg)
	if err := s.pool.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/"); a.status != 200 || a.header.Get("X-Pid") == pid {
		t.Errorf("got %d from %v", a.status, a.header)
	}
}

// Workers that have served their number wait for those who still finish, too.
func TestReliefWaitsForThoseWhoFinish(t *testing.T) {
	s := serveFake(t, 1, Config{Timeout: -1, MaxRequests: 2})
	path, open := s.gate()
	running := s.async("POST", path)
	s.hasBegun(path)
	if err := s.pool.Restart(s.waitFor("BUSY").PID); err != nil {
		t.Fatal(err)
	}
	s.waitFor("DRAINING")
	for range 20 {
		s.expect(s.get("/"), 200, "hello")
	}
	if n := len(s.pool.Snapshot().Workers); n != 2 {
		t.Errorf("%d workers run", n)
	}
	open()
	s.expect(s.wait(running), 200, "passed")
}

func TestScale(t *testing.T) {
	s := serveFake(t, 1, Config{})
	number := func(got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%d workers are wanted, want %d", got, want)
		}
	}
	number(s.pool.Scale(2), 3)
	eventually(t, "three workers", func() bool { return s.count("IDLE") == 3 })
	number(s.pool.Scale(-5), 1)
	eventually(t, "one worker", func() bool { return len(s.pool.Snapshot().Workers) == 1 })
	number(s.pool.Resize(2), 2)
	eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
	number(s.pool.Resize(0), 1)
	s.expect(s.get("/"), 200, "hello")
	s.stop()
	number(s.pool.Scale(1), 0)
}

func TestGracefulStop(t *testing.T) {
	s := serveFake(t, 1, Config{})
	path, open := s.gate()
	running := s.async("GET", path)
	s.hasBegun(path)
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
	path := s.hang()
	running := s.async("POST", path)
	s.hasBegun(path)
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

// A pool starts the engine that its workers need, and does not start on one that is closed.
func TestStartBeforeTheEngine(t *testing.T) {
	leakcheck.Check(t)
	eng, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{TempDir: t.TempDir()}
	fake(&cfg)
	pool, err := Start(eng, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := pool.Ready(ctx); err != nil {
		t.Error(err)
	}
	pool.Kill()
	if err := eng.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Start(eng, cfg); !errors.Is(err, loop.ErrStopped) {
		t.Errorf("on an engine that is closed: %v", err)
	}
}
