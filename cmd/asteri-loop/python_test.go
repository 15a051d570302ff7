package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/asteri/asteri-loop/status"
)

const helloApp = `
import os, time

VERSION = "one"

def app(environ, start_response):
    if environ["PATH_INFO"].startswith("/sleep/"):
        time.sleep(float(environ["PATH_INFO"][7:]) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %s %s" % (VERSION, os.environ.get("GREETING"), environ["SCRIPT_NAME"])).encode()]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"asgi"})
`

// helloDir is a directory with the application hello:app.
func helloDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "hello.py"), helloApp)
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, p *process) (doc status.Report) {
	t.Helper()
	if err := json.Unmarshal([]byte(get(t, client(), p.url("http")+status.DefaultPath+".json").text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestPythonApplication(t *testing.T) {
	dir := helloDir(t)
	p := start(t, dir, "hello:app", "-e", "GREETING=hi", "--root-path", "/mounted", "-w", "2")
	p.await("hello:app under sync (a WSGI application runs under sync), CPython 3.")
	for _, scheme := range []string{"http", "https"} {
		if got := get(t, client(), p.url(scheme)+"/mounted/x"); got.text != "one hi /mounted" {
			t.Errorf("%d %q", got.StatusCode, got.text)
		}
	}
	eventually(t, "two workers", func() bool { return len(report(t, p).Workers) == 2 })
	eventually(t, "the report counts two requests", func() bool {
		served := uint64(0)
		for _, w := range report(t, p).Workers {
			served += w.Served
		}
		return served == 2
	})
	doc := report(t, p)
	if doc.Application != (status.Application{Name: "hello:app", Interface: "wsgi", Model: "sync"}) || doc.Queue == nil {
		t.Errorf("%+v", doc)
	}
	for _, w := range doc.Workers {
		if w.PID == 0 || w.PID == p.cmd.Process.Pid {
			t.Errorf("worker with process id %d", w.PID)
		}
	}
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	for _, w := range doc.Workers {
		if syscall.Kill(w.PID, 0) == nil {
			t.Errorf("worker %d is left", w.PID)
		}
	}
}

func TestModelIsChosenAndSaid(t *testing.T) {
	dir := helloDir(t)
	for _, tc := range []struct {
		args []string
		said string
	}{
		{[]string{"hello:asgi"}, "hello:asgi under asgi (an ASGI application runs under asgi)"},
		{[]string{"hello:app", "--threads", "2"}, "hello:app under gthread (a WSGI application with several threads runs under gthread)"},
		{[]string{"hello:app", "-k", "sync", "--threads", "2"}, "hello:app under gthread ("},
		{[]string{"--chdir", dir, "hello:app", "-w", "asgi"}, "hello:app under asgi ("},
	} {
		where := dir
		if tc.args[0] == "--chdir" {
			where = t.TempDir()
		}
		start(t, where, tc.args...).await(tc.said)
	}
}

func TestReloadTakesNewCode(t *testing.T) {
	dir := helloDir(t)
	p := start(t, dir, "hello:app")
	before := report(t, p).Workers[0].PID
	writeFile(t, filepath.Join(dir, "hello.py"), strings.Replace(helloApp, `"one"`, `"second"`, 1))
	p.signal(syscall.SIGHUP)
	p.await("[INFO] Reloaded")
	if got := get(t, client(), p.url("http")+"/"); !strings.HasPrefix(got.text, "second ") {
		t.Errorf("%q", got.text)
	}
	eventually(t, "the report shows another worker", func() bool {
		after := report(t, p).Workers
		return len(after) > 0 && after[len(after)-1].PID != before
	})
	writeFile(t, filepath.Join(dir, "hello.py"), "1/0")
	p.signal(syscall.SIGHUP)
	p.await("[ERROR] The application stays as it was: ")
	p.await("ZeroDivisionError")
	if got := get(t, client(), p.url("http")+"/"); !strings.HasPrefix(got.text, "second ") {
		t.Errorf("%q", got.text)
	}
}

func TestScale(t *testing.T) {
	p := start(t, helloDir(t), "hello:app")
	working := func(n int) func() bool {
		return func() bool {
			idle := 0
			for _, w := range report(t, p).Workers {
				if w.State == "IDLE" {
					idle++
				}
			}
			return idle == n
		}
	}
	p.signal(syscall.SIGTTIN)
	eventually(t, "two workers", working(2))
	p.signal(syscall.SIGTTOU)
	eventually(t, "one worker", working(1))
}

// slow begins a request that takes ms, waits until a worker has it, and returns
// where its status will come.
func slow(t *testing.T, p *process, ms string) <-chan int {
	t.Helper()
	code := make(chan int, 1)
	go func() {
		resp, err := client().Get(p.url("http") + "/sleep/" + ms)
		if err != nil {
			code <- 0
			return
		}
		resp.Body.Close()
		code <- resp.StatusCode
	}()
	eventually(t, "a worker has the request", func() bool { return report(t, p).Workers[0].InFlight > 0 })
	return code
}

func TestGracefulStopFinishesPython(t *testing.T) {
	p := start(t, helloDir(t), "hello:app")
	status := slow(t, p, "700")
	p.signal(syscall.SIGTERM)
	if got := <-status; got != 200 {
		t.Errorf("the request that ran got %d", got)
	}
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
}

func TestQuickStopLeavesNoWorker(t *testing.T) {
	for _, signals := range [][]syscall.Signal{{syscall.SIGQUIT}, {syscall.SIGTERM, syscall.SIGQUIT}, {syscall.SIGHUP, syscall.SIGQUIT}} {
		p := start(t, helloDir(t), "hello:app")
		status := slow(t, p, "60000")
		worker := report(t, p).Workers[0].PID
		for _, sig := range signals {
			p.signal(sig)
		}
		if s := p.exit(); s != exitOK {
			t.Errorf("%v: status %d", signals, s)
		}
		if got := <-status; got == 200 {
			t.Errorf("%v: the request was answered", signals)
		}
		eventually(t, "the worker's end", func() bool { return syscall.Kill(worker, 0) != nil })
	}
}

func TestApplicationThatCannotStart(t *testing.T) {
	dir := helloDir(t)
	writeFile(t, filepath.Join(dir, "bad.py"), "import no_such_module")
	for _, check := range []bool{false, true} {
		for app, want := range map[string][]string{
			"hello:nope":        {"[CRITICAL] The application cannot be started: ", "nope"},
			"missing:app":       {"[CRITICAL] The application cannot be started: ", "missing"},
			"bad:app":           {"[CRITICAL] The application cannot be started: ", "traceback:", "no_such_module"},
			"hello:asgi -ksync": {"[CRITICAL] The application cannot be started: an ASGI application needs an asyncio event loop: it cannot run under sync (use -k asgi)"},
		} {
			args := append([]string{"-b", "127.0.0.1:0"}, strings.Fields(app)...)
			if check {
				args = append(args, "--check-config")
			}
			status, _, log := once(t, dir, nil, args...)
			if status != exitBoot {
				t.Errorf("%v: status %d\n%s", args, status, log)
			}
			for _, text := range want {
				if !strings.Contains(log, text) {
					t.Errorf("%v: %q is not in\n%s", args, text, log)
				}
			}
		}
	}
	writeFile(t, filepath.Join(dir, "dies.py"), "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
	writeFile(t, filepath.Join(dir, "slow.py"), "import time\ntime.sleep(60)")
	for app, want := range map[string]string{
		"dies:app --boot-timeout 30":    "the worker ended before it was ready: it was killed by signal 9 (killed)",
		"slow:app --boot-timeout 500ms": "not ready after 500ms (if the application takes this long to start, allow more with --boot-timeout)",
	} {
		args := append([]string{"-b", "127.0.0.1:0"}, strings.Fields(app)...)
		if status, _, log := once(t, dir, nil, args...); status != exitBoot || !strings.Contains(log, want) {
			t.Errorf("%s: status %d\n%s", app, status, log)
		}
	}
	status, _, log := once(t, dir, nil, "--check-config", "hello:app")
	if status != exitOK || !strings.Contains(log, "The application can be served app=hello:app interface=wsgi model=sync") {
		t.Errorf("status %d\n%s", status, log)
	}
}

// TestStopWhileReloading: what the stop has interrupted is no failure of the code.
func TestStopWhileReloading(t *testing.T) {
	dir := helloDir(t)
	p := start(t, dir, "hello:app")
	begun := filepath.Join(dir, "begun")
	writeFile(t, filepath.Join(dir, "hello.py"), fmt.Sprintf("import time\nopen(%q, 'w').close()\ntime.sleep(60)", begun))
	p.signal(syscall.SIGHUP)
	eventually(t, "the import has begun", func() bool { _, err := os.Stat(begun); return err == nil })
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK || strings.Contains(p.log.String(), "[ERROR]") {
		t.Errorf("status %d", s)
	}
}

func TestStopWhileStarting(t *testing.T) {
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	writeFile(t, filepath.Join(dir, "slow.py"), fmt.Sprintf("import time\nopen(%q, 'w').close()\ntime.sleep(60)", started))
	p := launch(t, dir, nil, "-b", "127.0.0.1:0", "slow:app")
	eventually(t, "the import has begun", func() bool { _, err := os.Stat(started); return err == nil })
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
}
