package python

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// The real worker: the embedded shim under python3.

const wsgiApp = `
import hashlib, os, sys, time

def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = b"hello"
    if path == "/die":
        os.kill(os.getpid(), 9)
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/sleep":
        time.sleep(float(query))
    elif path == "/spin":
        while True:
            pass
    elif path == "/deaf":
        while True:
            try:
                time.sleep(3600)  # whatever comes
            except BaseException:
                pass
    elif path == "/raise":
        raise RuntimeError("deliberate")
    elif path == "/print":
        print("on stdout", flush=True)
        print("on stderr", file=sys.stderr, flush=True)
        environ["wsgi.errors"].write("on wsgi.errors\n")
    elif path == "/half":
        def half():
            yield b"x" * 100000
            os._exit(7)
        start_response("200 OK", [("Content-Length", "200000")])
        return half()
    elif path == "/slowclose":
        class Slow(list):
            def close(self):
                time.sleep(float(query))
        start_response("200 OK", [("Content-Length", "5")])
        return Slow([body])
    elif path == "/digest":
        h, n = hashlib.sha256(), 0
        while True:
            piece = environ["wsgi.input"].read(1 << 16)
            if not piece:
                break
            h.update(piece)
            n += len(piece)
        body = ("%d %s" % (n, h.hexdigest())).encode()
    elif path == "/large":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (bytes([i % 251]) * 65536 for i in range(int(query)))
    elif path == "/file":
        start_response("200 OK", [("Content-Type", "text/x-python")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    elif path == "/environ":
        body = repr(sorted((k, v) for k, v in environ.items() if isinstance(v, str) and k.startswith(("HTTP_", "SERVER_", "CONTENT_", "REMOTE_", "REQUEST_", "SCRIPT_", "PATH_", "QUERY_")))).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [body]
`

const asgiApp = `
import asyncio, os, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    path = scope["path"]
    body = b"hello"
    if path == "/count":
        n = 0
        while True:
            message = await receive()
            n += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = str(n).encode()
    elif path == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for i in range(int(scope["query_string"])):
            await send({"type": "http.response.body", "body": bytes([i % 251]) * 65536, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    elif path == "/events":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await asyncio.sleep(float(scope["query_string"]))
        await send({"type": "http.response.body", "body": b"last\n"})
        return
    elif path == "/block":
        time.sleep(3600)
    elif path == "/spin":
        while True:
            pass
    elif path == "/sleep":
        await asyncio.sleep(float(scope["query_string"]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
`

func serveApp(t *testing.T, source string, cfg Config) *server {
	t.Helper()
	cfg.App, cfg.Chdir = "app:app", app(t, source)
	s := serve(t, 2, cfg)
	s.ready()
	return s
}

func TestModelsOfTheStandardLibrary(t *testing.T) {
	for _, model := range []string{"sync", "gthread"} {
		t.Run(model, func(t *testing.T) { testModel(t, model) })
	}
}

func testModel(t *testing.T, model string) {
	s := serveApp(t, wsgiApp, Config{Model: model, Threads: 4, Workers: 2})
	s.expect(s.get("/"), 200, "hello")
	s.expect(s.get("/raise"), 500, "")
	if !s.log.Has("deliberate") || !s.log.Has("Traceback") {
		t.Error("the log lacks the traceback")
	}
	if r := s.get("/"); fmt.Sprint(r.header.Values("Set-Cookie")) != "[a=1 b=2]" {
		t.Errorf("cookies %q", r.header.Values("Set-Cookie"))
	}
	source, err := os.ReadFile(s.pool.config().Chdir + "/app.py")
	if err != nil {
		t.Fatal(err)
	}
	s.expect(s.get("/file"), 200, string(source))
	s.get("/print")
	eventually(t, "the output is logged", func() bool {
		return s.log.Has("on stdout") && s.log.Has("on stderr") && s.log.Has("on wsgi.errors")
	})
}

func TestASGI(t *testing.T) {
	s := serveApp(t, asgiApp, Config{})
	if info := s.ready(); info.Model != "asgi" || info.Interface != "asgi" || info.Why == "" {
		t.Errorf("got %+v", info)
	}
	s.expect(s.get("/"), 200, "hello")
	s.expect(s.do("POST", "/count", strings.NewReader("12345")), 200, "5")
}

func TestEnvironOfTheApplication(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{RootPath: "/mount"})
	req, err := http.NewRequest("POST", "http://"+s.addr+"/mount/environ?q=%20", strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Content-Type": {"text/plain"}, "X-Custom": {"1", "2"}, "Cookie": {"a=1", "b=2"},
		"X_Custom": {"forged"}, "Proxy": {"http://forged/"}, "Accept": {"caf\xe9"},
	}
	got := string(s.send(req).body)
	for _, want := range []string{
		`('CONTENT_LENGTH', '3')`, `('CONTENT_TYPE', 'text/plain')`, `('HTTP_COOKIE', 'a=1; b=2')`, `('HTTP_X_CUSTOM', '1, 2')`,
		`('HTTP_ACCEPT', 'café')`, `('QUERY_STRING', 'q=%20')`, `('SCRIPT_NAME', '/mount')`, `('PATH_INFO', '/environ')`,
		`('REMOTE_ADDR', '127.0.0.1')`, `('HTTP_HOST', '` + s.addr + `')`, `('REQUEST_METHOD', 'POST')`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	if strings.Contains(got, "forged") {
		t.Error("a name with an underscore, or HTTP_PROXY, came through")
	}
}

func TestKilledWhileIdleWorkingAndStarting(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Model: "sync"})
	// Working: a POST is not tried again.
	s.expect(s.do("POST", "/die", nil), 502, "")
	// Idle.
	before := s.waitFor("IDLE").PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var starting WorkerStatus
	eventually(t, "a new worker starts", func() (ok bool) {
		starting, ok = s.worker("STARTING")
		return ok && starting.PID != 0
	})
	// Starting.
	if err := syscall.Kill(starting.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a third worker", func() bool {
		w, ok := s.worker("IDLE")
		return ok && w.PID != before && w.PID != starting.PID
	})
	s.expect(s.get("/"), 200, "hello")
}

func TestIdempotentRequestIsTriedAgain(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Model: "sync"})
	pid, err := strconv.Atoi(string(s.get("/pid").body))
	if err != nil {
		t.Fatal(err)
	}
	answer := s.async("GET", "/sleep?0.5")
	s.waitFor("BUSY")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.expect(s.wait(answer), 200, "hello")
}

func TestExitInTheMiddleOfABody(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Model: "sync"})
	if r := s.get("/half"); r.err == nil {
		t.Errorf("ended cleanly: %d, %d bytes", r.status, len(r.body))
	}
	eventually(t, "a new worker", func() bool { return s.get("/").status == 200 })
}

func TestHangIsAnswered504(t *testing.T) {
	for _, model := range []string{"sync", "gthread"} {
		t.Run(model, func(t *testing.T) {
			s := serveApp(t, wsgiApp, Config{Model: model, Threads: 2, Timeout: 500 * time.Millisecond, QueueTimeout: patience})
			s.expect(s.get("/deaf"), 504, "")
			s.expect(s.get("/"), 200, "hello")
			eventually(t, "the worker is gone", func() bool { return s.log.Has("only requests that took too long are left") })
			if !s.log.Has("did not end when it was interrupted") {
				t.Error("the log does not say that it was tried to end it")
			}
			if !s.log.Has("time.sleep(3600)  # whatever comes") {
				t.Error("the log does not show where the application hangs")
			}
			if s.log.Has("in _dispatch") {
				t.Error("the log shows the worker's own threads")
			}
		})
	}
}

// TestHangIsInterrupted: a call that can be ended is, and its worker goes on.
func TestHangIsInterrupted(t *testing.T) {
	for _, test := range []struct{ name, source, model, path string }{
		{"sync waits", wsgiApp, "sync", "/sleep?3600"},
		{"sync computes", wsgiApp, "sync", "/spin"},
		{"gthread computes", wsgiApp, "gthread", "/spin"},
		{"asgi waits", asgiApp, "asgi", "/sleep?3600"},
		{"asgi blocks", asgiApp, "asgi", "/block"},
		{"asgi computes", asgiApp, "asgi", "/spin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serveApp(t, test.source, Config{Model: test.model, Threads: 2, Timeout: 500 * time.Millisecond, QueueTimeout: patience})
			pid := s.waitFor("IDLE").PID
			s.expect(s.get(test.path), 504, "")
			s.expect(s.get("/"), 200, "hello")
			if after := s.waitFor("IDLE").PID; after != pid {
				t.Errorf("worker %d was replaced by %d", pid, after)
			}
			if !s.log.Has("was interrupted, and its worker goes on") {
				t.Error("the log does not say so")
			}
			if s.log.Has("the application failed") {
				t.Error("the log says that the application failed")
			}
		})
	}
}

// The other requests of a worker with a hanging one are answered.
// An answer whose call goes on for a while is no request that hangs.
func TestCallThatGoesOnAfterItsAnswer(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Model: "gthread", Threads: 2, Timeout: 5 * time.Second})
	pid := s.waitFor("IDLE").PID
	s.expect(s.get("/slowclose?0.7"), 200, "hello")
	s.waitFor("BUSY")
	if after := s.waitFor("IDLE").PID; after != pid {
		t.Errorf("worker %d was replaced by %d", pid, after)
	}
	if n := s.pool.counts.timedOut.Load(); n != 0 {
		t.Errorf("%d requests timed out", n)
	}
}

// A call that ends when it is cancelled has told where it was before.
func TestStackOfACallThatIsCancelled(t *testing.T) {
	const source = `
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await receive()
    await receive()  # until the client leaves
`
	s := serveApp(t, source, Config{Timeout: 300 * time.Millisecond})
	s.expect(s.get("/"), 504, "")
	eventually(t, "the log shows where it was", func() bool { return s.log.Has("until the client leaves") })
}

func TestHangDoesNotCutOthers(t *testing.T) {
	s := serveApp(t, asgiApp, Config{Timeout: 600 * time.Millisecond})
	hanging := s.async("GET", "/sleep?3600")
	events := s.async("GET", "/events?1.5")
	s.expect(s.wait(hanging), 504, "")
	s.expect(s.wait(events), 200, "first\nlast\n")
}

func TestApplicationThatCannotBeImported(t *testing.T) {
	cfg := Config{App: "app:app", Chdir: app(t, "import no_such_module_at_all\n")}
	s := serve(t, 1, cfg)
	_, err := s.pool.Ready(context.Background())
	var boot *BootError
	if !errors.As(err, &boot) || boot.Phase != "import" || !strings.Contains(boot.Traceback, "no_such_module_at_all") {
		t.Errorf("got %#v", err)
	}
	cfg.TempDir, cfg.Logger = t.TempDir(), slog.New(slog.DiscardHandler)
	if _, err = Check(context.Background(), cfg); !errors.As(err, &boot) {
		t.Errorf("Check: %v", err)
	}
	writeApp(t, cfg.Chdir, wsgiApp)
	if info, err := Check(context.Background(), cfg); err != nil || info.Interface != "wsgi" {
		t.Errorf("Check: %+v, %v", info, err)
	}
}

func TestReloadWithABrokenApplication(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Workers: 2})
	cfg := *s.pool.config()
	writeApp(t, cfg.Chdir, "def app(:\n")
	var boot *BootError
	if err := s.pool.Reload(context.Background(), cfg); !errors.As(err, &boot) || !strings.Contains(boot.Traceback, "SyntaxError") {
		t.Errorf("got %v", err)
	}
	s.expect(s.get("/"), 200, "hello")
	writeApp(t, cfg.Chdir, strings.ReplaceAll(wsgiApp, `b"hello"`, `b"new"`))
	if err := s.pool.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	s.expect(s.get("/"), 200, "new")
}

// Fewer workers are wanted: those that go finish what they have.
func TestScaleDownCutsNothing(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Workers: 3, Model: "sync"})
	eventually(t, "three workers", func() bool { return s.count("IDLE") == 3 })
	var answers []<-chan clientReply
	for range 3 {
		answers = append(answers, s.async("POST", "/sleep?1"))
	}
	eventually(t, "all at work", func() bool { return s.count("BUSY") == 3 })
	s.pool.Scale(-2)
	for _, a := range answers {
		s.expect(s.wait(a), 200, "hello")
	}
	eventually(t, "one worker", func() bool { return len(s.pool.Snapshot().Workers) == 1 })
}

// An application that changes from WSGI to ASGI: requests that wait meanwhile
// reach it too.
func TestReloadChangesTheInterface(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{})
	cfg := *s.pool.config()
	writeApp(t, cfg.Chdir, asgiApp)
	if err := s.pool.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	s.expect(s.do("POST", "/count", bytes.NewReader(make([]byte, 200_000))), 200, "200000")
}

// No request is lost by reloads under load.
func TestReloadsUnderLoad(t *testing.T) {
	s := serveApp(t, wsgiApp, Config{Model: "gthread", Threads: 2, Workers: 2})
	stop := make(chan struct{})
	failed := make(chan clientReply, 4)
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					failed <- clientReply{status: 200}
					return
				default:
				}
				if r := s.do("POST", "/", nil); r.err != nil || r.status != 200 {
					failed <- r
					return
				}
			}
		}()
	}
	for range 3 {
		if err := s.pool.Reload(context.Background(), *s.pool.config()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	for range 4 {
		s.expect(s.wait(failed), 200, "")
	}
}

// frontVariable makes this test program a server that prints its worker's pid.
const frontVariable = "ASTERI_TEST_FRONT"

func frontProgram(dir string) int {
	eng, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		return 1
	}
	eng.Start()
	pool, err := Start(eng, Config{App: "app:app", Chdir: dir})
	if err != nil {
		return 1
	}
	if _, err := pool.Ready(context.Background()); err != nil {
		return 1
	}
	for _, w := range pool.Snapshot().Workers {
		fmt.Println(w.PID)
	}
	select {}
}

// A front that is killed leaves no worker behind, and no file: bodies that wait
// in files were removed when they were made.
func TestKilledFrontLeavesNothing(t *testing.T) {
	front := exec.Command(os.Args[0])
	dir, temp := app(t, wsgiApp), t.TempDir()
	front.Env = append(os.Environ(), frontVariable+"="+dir, "TMPDIR="+temp, "PYTHONDONTWRITEBYTECODE=1")
	front.Stderr = os.Stderr
	out, err := front.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := front.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := front.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	front.Wait()
	eventually(t, "the worker ends", func() bool { return ended(pid) })
	if left, err := os.ReadDir(temp); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if files, err := os.ReadDir(dir); len(files) != 1 || err != nil {
		t.Errorf("beside the application: %v, %v", files, err)
	}
}

// ended tells whether a process is gone, or a zombie that its new parent has not
// reaped.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}
