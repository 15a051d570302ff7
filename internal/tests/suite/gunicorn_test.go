//go:build linux

package suite

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The files below apps/gunicorn_conf are written after those that public projects have; they are read as they are.

// conf returns the command line of a server with one of them.
func conf(name, application string, more ...string) launch {
	args := []string{"-c", filepath.Join(appsDir, "gunicorn_conf", name+".py"), "--python", python, "--pythonpath", appsDir}
	if application != "" {
		args = append(args, application)
	}
	return launch{args: append(args, more...)}
}

func (l launch) with(env ...string) launch {
	l.env = append(l.env, env...)
	return l
}

// startConf starts a server that is to become ready.
func startConf(t *testing.T, l launch) *server {
	t.Helper()
	s := launchServer(t, l)
	s.awaitReady()
	return s
}

func TestConfOfSettings(t *testing.T) {
	t.Parallel()
	l := conf("plain", "conf_app").with("TIMEOUT=50", "LOG_LEVEL=DEBUG")
	s := startConf(t, l)
	s.over(t, "http").get("/").want(t, 200)
	s.awaitLog(`"GET / HTTP/1.1" 200 \d+ \d+us`)
	contains(t, s.log.text(), "under gthread", "Settings are from ")
	contains(t, s.log.errText(), "workers: 3 cores: ") // what the file prints

	l.args = append([]string{"explain"}, l.args...)
	e := launchServer(t, l)
	equal(t, "exit status of explain", e.wait(), 0)
	text := strings.Join(strings.Fields(e.log.outText()), " ")
	contains(t, text, `timeout "50s" `, "plain.py:20", "threads 2 ", `log_level "debug" `, `app "conf_app" command line APP`, "workers 3 ", "worker_tmp_dir does nothing here")
}

func TestConfOfExample(t *testing.T) {
	t.Parallel()
	s := startConf(t, conf("example", "conf_app"))
	s.awaitLog(`Worker spawned \(pid: \d+, number 1 of 1\)`)
	s.awaitLog(`Server is ready at \[\('127.0.0.1', 0\)\] for \['127.0.0.1:0'\]`)
	pid := s.workers()[0]
	// The hook sees where the call hangs; then the call is ended, and not the worker.
	s.over(t, "http").get("/sleep").want(t, 504)
	s.awaitLog(`worker received SIGABRT signal: (?s:.*)time.sleep\(60\)`)
	equal(t, "worker", s.workers()[0], pid)
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.awaitLog(`worker received INT or QUIT signal`)
	s.eventually("another worker serves", func() bool { w := s.workers(); return len(w) == 1 && w[0] != pid })
	s.over(t, "http").get("/").want(t, 200)
}

func TestConfOfPrometheus(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "metrics")
	port := freePort(t)
	s := startConf(t, conf("prometheus", "conf_app:counting").with("PROMETHEUS_MULTIPROC_DIR="+dir, "METRICS_PORT="+port))
	c := s.over(t, "http")
	seen := map[string]bool{}
	for requests := 0; len(seen) < 2; requests++ {
		var group sync.WaitGroup
		var mu sync.Mutex
		for range 8 {
			group.Go(func() {
				body := c.get("/").want(t, 200)
				mu.Lock()
				defer mu.Unlock()
				seen[body] = true
			})
		}
		group.Wait()
		if requests == 200 {
			t.Fatalf("only %v of the workers serve", seen)
		}
	}
	metrics := newClient(t, &http.Transport{DisableKeepAlives: true}, "http://127.0.0.1:"+port, "1.1")
	contains(t, metrics.get("/").want(t, 200), "shop_workers 2.0")
	victim := s.workers()[0]
	gauge := filepath.Join(dir, fmt.Sprintf("gauge_livesum_%d.db", victim))
	if _, err := os.Stat(gauge); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(victim, syscall.SIGKILL)
	s.awaitLog(fmt.Sprintf(`metrics of %d are put away, it ended with -9`, victim))
	if _, err := os.Stat(gauge); err == nil {
		t.Error("the gauge of a worker that was killed is still there")
	}
	contains(t, metrics.get("/").want(t, 200), "shop_workers 1.0")
}

func TestConfOfOpenTelemetry(t *testing.T) {
	t.Parallel()
	spans := filepath.Join(t.TempDir(), "spans")
	s := startConf(t, conf("opentelemetry", "conf_app").with("SPANS="+spans))
	pid := s.workers()[0]
	s.over(t, "http").get("/span").want(t, 200)
	s.stop()
	text, err := os.ReadFile(spans)
	if want := fmt.Sprintf("[\"sale\", %d]\n", pid); err != nil || string(text) != want {
		t.Errorf("%q, %v, want %q", text, err, want)
	}
}

func TestConfOfSentry(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events strings.Builder
	sentry := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := readMaybeCompressed(r)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&events, "%s %v\n", body, err)
	}))
	defer sentry.Close()
	s := startConf(t, conf("sentry", "conf_app:reporting").with("SENTRY_DSN=http://key@"+sentry.Listener.Addr().String()+"/1"))
	s.over(t, "http").get("/fail").want(t, 500)
	s.stop()
	mu.Lock()
	defer mu.Unlock()
	contains(t, events.String(), "out of stock", `"environment":"test"`, `"worker":"1"`)
}

func TestConfOfNewRelic(t *testing.T) {
	t.Parallel()
	s := startConf(t, conf("newrelic_agent", "conf_app"))
	s.awaitLog(`the agent watches 'function': True`)
	s.over(t, "http").get("/").want(t, 200)
}

func TestConfOfDjango(t *testing.T) {
	t.Parallel()
	database, err := djangoDatabase()
	if err != nil {
		t.Fatal(err)
	}
	s := startConf(t, conf("django", "").with("PROJECT="+appsDir, "DATABASE="+database))
	s.awaitLog(`Django is ready in \d+: djangosite.urls`)
	s.awaitLog(`preload_app: does nothing here`)
	if status := s.over(t, "http").get("/").StatusCode; status >= 500 {
		t.Errorf("status %d", status)
	}
}

func TestConfOfLogging(t *testing.T) {
	t.Parallel()
	s := startConf(t, conf("logging_dict", "conf_app"))
	s.over(t, "http").get("/log").want(t, 200)
	s.awaitLog(`{"level": "DEBUG", "logger": "shop", "message": "a debug line of the shop"}`)
	s.awaitLog(`{"level": "INFO", "logger": "other", "message": "a line of another logger"}`)
	s.awaitLog(`{"level": "INFO", "logger": "gunicorn.error", "message": "forked"}`)
}

func TestConfOfASGI(t *testing.T) {
	t.Parallel()
	s := startConf(t, conf("asgi_timing", "conf_app:asgi"))
	a := s.over(t, "http").get("/shelf", "User-Agent: tester")
	equal(t, "what the hook has added", a.want(t, 200), "t=12")
	s.awaitLog(`GET /shelf: 200 after [\d.]+ s, 4 bytes for tester`)
	contains(t, s.log.text(), "under asgi")
}

func TestConfOfModule(t *testing.T) {
	t.Parallel()
	s := startConf(t, launch{dir: appsDir, args: []string{"-c", "python:gunicorn_conf.from_module", "--python", python, "conf_app"}})
	s.awaitLog(`patched: True, with 77 connections`)
	s.over(t, "http").get("/a?b=c").want(t, 200)
	s.awaitLog(`after /a\?b=c for 127.0.0.1`)
}

// TestGunicornCommand: the word, in the folder of a project as it is.
func TestGunicornCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "gunicorn.conf.py", "bind = '127.0.0.1:0'\nworkers = 3\ndef post_fork(server, worker):\n    server.log.info('forked %s', worker.cfg.workers)\n")
	write(t, dir, "shop.py", "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'shop']\n")
	s := startConf(t, launch{dir: dir, args: []string{"gunicorn", "-w", "2", "-k", "gthread", "--thre", "4", "shop"}, env: []string{"ASTERI_PYTHON=" + python, "GUNICORN_CMD_ARGS=-w 5 --log-level debug"}})
	equal(t, "body", s.over(t, "http").get("/").want(t, 200), "shop")
	s.awaitLog(`forked 2`)
	contains(t, s.log.text(), "2 workers", "under gthread")

	for args, want := range map[string]string{
		"gunicorn -w 2 -k gthread --preload shop --explain":                                         "asteri-loop --workers 2 --worker-class gthread shop\n# --preload: leave it out",
		"uvicorn main:app --host 0.0.0.0 --port 80 --workers 4 --ws-max-queue 9 --explain":          "asteri-loop --bind 0.0.0.0:80 --workers 4 main:app\n# --ws-max-queue: leave it out",
		"granian --interface wsgi --blocking-threads 8 --workers 2 m:a --runtime-mode st --explain": "asteri-loop --interface wsgi --threads 8 --workers 2 m:a\n# --runtime-mode: leave it out",
	} {
		e := launchServer(t, launch{args: strings.Fields(args), env: []string{"ASTERI_PYTHON=" + python}})
		equal(t, "exit status of "+args, e.wait(), 0)
		if !strings.HasPrefix(e.log.outText(), want) {
			t.Errorf("%s:\n%s", args, e.log.text())
		}
	}
}

// notes are what every_hook.py has noted: hook and process, and what else there is.
func notes(t *testing.T, file string) (all [][]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var one []any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// TestEveryHook: which hooks run, in what order, in which process, and what they are told, under each model.
func TestEveryHook(t *testing.T) {
	t.Parallel()
	for model, application := range map[string]string{
		"sync": "conf_app:application", "gthread": "conf_app:streamed", "gevent": "conf_app:application", "asgi": "conf_app:asgi",
		"tornado": "conf_app:tornado()", "gtornado": "conf_app:tornado()",
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "notes")
			s := startConf(t, conf("every_hook", application, "-k", model).with("NOTES="+file))
			said := func(hook string) bool {
				text, _ := os.ReadFile(file)
				return strings.Contains(string(text), `["`+hook+`"`)
			}
			s.eventually("when_ready", func() bool { return said("when_ready") })
			worker := s.workers()[0]
			body := s.over(t, "http").get("/shelf?n=1", "X-Sent: by the client").want(t, 200)
			equal(t, "what a hook has added", strings.TrimSuffix(body, "!"), "seen 1")
			s.eventually("post_request", func() bool { return said("post_request") })
			s.stop()

			var order []string
			about := map[string]string{}
			helper := 0
			for _, one := range notes(t, file) {
				hook, pid := one[0].(string), int(one[1].(float64))
				order = append(order, hook)
				told, _ := json.Marshal(one[2:])
				about[hook] = string(told)
				inWorker := slices.Contains([]string{"post_fork", "post_worker_init", "pre_request", "post_request", "worker_exit"}, hook)
				if helper == 0 {
					helper = pid
				}
				if inWorker != (pid == worker) || !inWorker && pid != helper {
					t.Errorf("%s ran in %d; the worker is %d, the helper %d", hook, pid, worker, helper)
				}
			}
			equal(t, "order", strings.Join(order, " "), "nworkers_changed on_starting pre_fork post_fork post_worker_init when_ready pre_request post_request worker_exit child_exit on_exit")
			for hook, want := range map[string]string{
				"nworkers_changed": `[1,null]`, "on_starting": fmt.Sprintf(`[%d,1]`, s.pid), "pre_fork": `[1]`, "post_fork": `[1,true,true]`, "post_worker_init": `[true,10]`,
				"pre_request": `["GET","/shelf","n=1",[1,1],"by the client"]`, "worker_exit": `[1]`, "child_exit": fmt.Sprintf(`[%d,1,0]`, worker), "when_ready": `[[["127.0.0.1",0]]]`,
				"post_request": fmt.Sprintf(`["/shelf",200,%d,"GET","text/plain"]`, len(body)),
			} {
				equal(t, hook, about[hook], want)
			}
		})
	}
}

// TestReloadedConf: a reload executes the file anew; hooks are those of the new one, and settings too.
func TestReloadedConf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "bind = '127.0.0.1:0'\nworkers = %d\ndef %s(server, *args):\n    server.log.info('%%s', [%q, *map(str, args)])\ndef post_fork(server, worker):\n    server.log.info('forked by file %d')\n"
	write(t, dir, "gunicorn.conf.py", fmt.Sprintf(text, 1, "when_ready", "ready", 1))
	s := startConf(t, launch{dir: dir, args: []string{"--python", python, "--chdir", appsDir, "conf_app"}})
	s.awaitLog(`\['ready'\]`)
	helper := s.helpers()[0]

	write(t, dir, "gunicorn.conf.py", fmt.Sprintf(text, 2, "on_reload", "reloaded", 2))
	s.signal(syscall.SIGHUP)
	s.awaitLog(`\['reloaded'\]`)
	s.awaitLog(`forked by file 2`)
	s.eventually("two workers and another helper", func() bool {
		h := s.helpers()
		return len(s.workers()) == 2 && len(h) == 1 && h[0] != helper
	})
	helper = s.helpers()[0]

	write(t, dir, "gunicorn.conf.py", "1/0\n")
	s.signal(syscall.SIGHUP)
	s.awaitLog(`Not reloaded, the settings stay as they were: (?s:.*)ZeroDivisionError`)
	equal(t, "helper", s.helpers()[0], helper)
	s.over(t, "http").get("/").want(t, 200)

	write(t, dir, "gunicorn.conf.py", "bind = '127.0.0.1:0'\n")
	s.signal(syscall.SIGHUP)
	s.eventually("no helper without hooks", func() bool { return len(s.helpers()) == 0 })
	s.over(t, "http").get("/").want(t, 200)
}

// helpers are the processes of the helper interpreter.
func (s *server) helpers() (pids []int) {
	for _, p := range marked(s.mark) {
		if strings.Contains(p.command, "asteri-loop hooks") {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// TestHooksThatGoWrong: one line each, and the server serves.
func TestHooksThatGoWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"raises", "def when_ready(server):\n    1/0\n", `A hook has failed hook=when_ready(?s:.*)ZeroDivisionError`},
		{"exits", "import sys\ndef when_ready(server):\n    sys.exit(3)\n", `A hook has failed hook=when_ready(?s:.*)SystemExit`},
		{"hangs", "import time\ndef when_ready(server):\n    time.sleep(600)\n", `A hook has not returned within 1s: its interpreter was ended; --hook-timeout allows more hook=when_ready`},
		{"dies", "import os\ndef when_ready(server):\n    os.kill(os.getpid(), 9)\n", `A hook's interpreter has ended: it was killed by signal 9 \(killed\) hook=when_ready`},
		{"post_request raises", "def post_request(worker, req, environ, resp):\n    1/0\ndef when_ready(server):\n    pass\n", `post_request failed(?s:.*)ZeroDivisionError`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "gunicorn.conf.py", "bind = '127.0.0.1:0'\n"+tc.text+"def child_exit(server, worker):\n    server.log.info('gone %s', worker.pid)\n")
			s := startConf(t, launch{dir: dir, args: []string{"--python", python, "--chdir", appsDir, "--hook-timeout", "1s", "conf_app"}})
			c := s.over(t, "http")
			c.get("/").want(t, 200)
			s.awaitLog(tc.want)
			// The next hook runs all the same.
			pid := s.workers()[0]
			_ = syscall.Kill(pid, syscall.SIGKILL)
			s.awaitLog(fmt.Sprintf("gone %d", pid))
			c.get("/").want(t, 200)
		})
	}
	for _, tc := range []struct{ name, text, want string }{
		{"post_fork raises", "def post_fork(server, worker):\n    1/0\n", `post_fork: ZeroDivisionError: division by zero`},
		{"post_worker_init raises", "def post_worker_init(worker):\n    raise SystemExit\n", `post_worker_init: SystemExit`},
		{"post_fork hangs", "import time\ndef post_fork(server, worker):\n    time.sleep(600)\n", `not ready after 2s`},
		{"logging", "logconfig_dict = {'handlers': {'a': {'class': 'no.such'}}}\n", `the configuration of logging does not work: ValueError`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "gunicorn.conf.py", "bind = '127.0.0.1:0'\n"+tc.text)
			s := launchServer(t, launch{dir: dir, args: []string{"--python", python, "--chdir", appsDir, "--boot-timeout", "2s", "-c", "gunicorn.conf.py", "conf_app"}})
			equal(t, "exit status", s.wait(), 3)
			if !regexp.MustCompile(tc.want).MatchString(s.log.text()) {
				t.Errorf("no %s in\n%s", tc.want, s.log.text())
			}
		})
	}
}

// TestRequestFailsByHook: pre_request is part of the request.
func TestRequestFailsByHook(t *testing.T) {
	t.Parallel()
	for model, application := range map[string]string{"sync": "conf_app:application", "asgi": "conf_app:asgi", "tornado": "conf_app:tornado()"} {
		dir := t.TempDir()
		write(t, dir, "gunicorn.conf.py", "bind = '127.0.0.1:0'\ndef pre_request(worker, req):\n    if req.path == '/bad':\n        raise ValueError('not this one')\n")
		s := startConf(t, launch{dir: dir, args: []string{"--python", python, "--chdir", appsDir, "-k", model, application}})
		c := s.over(t, "http")
		c.get("/bad").want(t, 500)
		s.awaitLog(`not this one`)
		c.get("/good").want(t, 200)
	}
}

// TestHelperIsSignalled: a service manager sends TERM to all processes of a service; on_exit runs all the same.
func TestHelperIsSignalled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "notes")
	s := startConf(t, conf("every_hook", "conf_app").with("NOTES="+file))
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := syscall.Kill(s.helpers()[0], sig); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	all := notes(t, file)
	equal(t, "the last hook", all[len(all)-1][0].(string), "on_exit")
}

// TestServerOfHelperIsKilled: a helper ends with its server, however that ends.
func TestServerOfHelperIsKilled(t *testing.T) {
	t.Parallel()
	s := startConf(t, conf("every_hook", "conf_app").with("NOTES="+filepath.Join(t.TempDir(), "notes")))
	s.eventually("a helper", func() bool { return len(s.helpers()) == 1 })
	s.signal(syscall.SIGKILL)
	s.wait()
	// finish looks for what is left
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readMaybeCompressed(r *http.Request) (string, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return "", err
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	return string(text), err
}
