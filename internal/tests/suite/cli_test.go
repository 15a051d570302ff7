//go:build linux

package suite

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWrongUsage: each mistake ends with one line that names it and helps.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"unknown option":     {[]string{"--wokers", "2"}, []string{"--wokers", "--workers"}},
		"unknown model":      {[]string{"-w", "gtornad", "meet:app"}, []string{"gtornad", "gtornado"}},
		"unknown class":      {[]string{"-k", "eventlet", "meet:app"}, []string{"eventlet", "gevent"}},
		"no workers":         {[]string{"-w", "0", "meet:app"}, []string{"-w", "0"}},
		"bad time":           {[]string{"-t", "soon", "meet:app"}, []string{"-t", "soon"}},
		"bad address":        {[]string{"-l", "localhost:http:80", "meet:app"}, []string{"localhost:http:80"}},
		"bad port":           {[]string{"-l", ":99999", "meet:app"}, []string{"99999"}},
		"two applications":   {[]string{"meet:app", "faults:app"}, []string{"faults:app"}},
		"key without cert":   {[]string{"--keyfile", "x", "meet:app"}, []string{"--certfile"}},
		"missing directory":  {[]string{"--chdir", "/nowhere", "meet:app"}, []string{"/nowhere"}},
		"missing value":      {[]string{"meet:app", "-w"}, []string{"-w"}},
		"missing config":     {[]string{"-c", "/nowhere.toml", "meet:app"}, []string{"/nowhere.toml"}},
		"bad log level":      {[]string{"--log-level", "loud", "meet:app"}, []string{"loud", "info"}},
		"log file not there": {[]string{"--error-logfile", "/nowhere/error.log", "meet:app"}, []string{"/nowhere/error.log"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, log, code := execute(t, test.args...)
			if code <= 0 {
				t.Errorf("exit status %d", code)
			}
			contains(t, log, test.want...)
			if lines := strings.Count(strings.TrimSpace(log), "\n") + 1; lines > 4 {
				t.Errorf("%d lines where few would do:\n%s", lines, log)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-h", "--help"} {
		out, log, code := execute(t, flag, "all")
		equal(t, "exit status", code, 0)
		equal(t, "errors", log, "")
		contains(t, out, "--workers", "-k", "--worker-class", "gtornado", "--certfile", "Server Socket", "Logging")
	}
	for _, flag := range []string{"-v", "--version"} {
		out, _, code := execute(t, flag)
		equal(t, "exit status", code, 0)
		if !regexp.MustCompile(`^asteri-loop \S+`).MatchString(out) {
			t.Errorf("version: %q", out)
		}
	}
}

// TestCheckConfig really imports the application.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		app, model string
		good       bool
		want       string
	}{
		{"flask_app:app", "gtornado", true, ""},
		{"fastapi_app:app", "", true, ""},
		{"broken:app", "", false, "a_module_that_does_not_exist"},
		{"fastapi_app:app", "sync", false, "-k asgi"},
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			out, log, code := execute(t, app(test.app, test.model, "--check-config")...)
			equal(t, "accepted", code == 0, test.good)
			contains(t, out+log, test.want)
		})
	}
}

// TestSources: command line before environment before file before default, and
// --print-config tells which one it was.
func TestSources(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "asteri.toml")
	if err := os.WriteFile(file, []byte("threads = 2\nkeep_alive = \"7s\"\nbacklog = 77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := launchServer(t, launch{
		args: app("meet:app", "gthread", "-c", file, "--threads", "4", "--print-config"),
		env:  []string{"ASTERI_THREADS=3", "ASTERI_KEEP_ALIVE=5s", "WEB_CONCURRENCY=6"},
	})
	equal(t, "exit status", s.wait(), 0)
	printed := s.log.outText()
	for _, want := range []string{`threads *= *4\b.*--threads`, `keep_alive *= *"?5s"?.*ASTERI_KEEP_ALIVE`, `backlog *= *77\b.*asteri.toml`,
		`workers *= *6\b.*WEB_CONCURRENCY`, `graceful_timeout *= *"?30s"?`} {
		if !regexp.MustCompile(want).MatchString(printed) {
			t.Errorf("%s is not in:\n%s", want, printed)
		}
	}
}

func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("serves", func(t *testing.T) {
		t.Parallel()
		file := write("good.toml", `app = "meet:app"
bind = ["127.0.0.1:0"]
workers = 2
worker_class = "gthread"
threads = 4
chdir = "`+appsDir+`"
python = "`+python+`"
`)
		s := start(t, "-c", file)
		equal(t, "flags", s.over(t, "http").get("/flags").want(t, 200), `{"multithread": true, "multiprocess": true, "run_once": false}`)
	})
	t.Run("unknown key", func(t *testing.T) {
		t.Parallel()
		_, log, code := execute(t, "-c", write("bad.toml", "worker_clas = \"sync\"\n"), "meet:app")
		if code <= 0 {
			t.Errorf("exit status %d", code)
		}
		contains(t, log, "worker_clas", "worker_class", "bad.toml")
	})
	t.Run("not TOML", func(t *testing.T) {
		t.Parallel()
		_, log, code := execute(t, "-c", write("ugly.toml", "workers = = 2\n"), "meet:app")
		if code <= 0 {
			t.Errorf("exit status %d", code)
		}
		contains(t, log, "ugly.toml")
	})
}

// TestEnvironment: -e reaches the application, and nothing of the server's own does.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	s := start(t, app("environment:app", "sync", "-e", "GREETING=hello there", "-e", "EMPTY=")...)
	seen := decode[map[string]any](t, s.over(t, "http").get("/"))
	environ := seen["environ"].(map[string]any)
	equal(t, "GREETING", environ["GREETING"], any("hello there"))
	equal(t, "EMPTY", environ["EMPTY"], any(""))
	for name := range environ {
		if strings.HasPrefix(name, "ASTERI") {
			t.Errorf("the application's environment holds %s", name)
		}
	}
	path := seen["path"].([]any)
	equal(t, "first of sys.path", path[0], any(appsDir))
	for _, entry := range path {
		if strings.Contains(entry.(string), "asteri") && entry != appsDir {
			t.Errorf("sys.path holds %s", entry)
		}
	}
	equal(t, "standard input", seen["stdin"], any(""))
	for _, what := range seen["inheritable"].([]any) {
		if !holds(t, os.Getpid(), what.(string)) { // else it came from whoever runs the tests
			t.Errorf("the application's children inherit %s", what)
		}
	}
}

// TestAccessLog: on when asked for, in gunicorn's notation.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	t.Run("standard output", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync", "--access-logfile", "-")...)
		c := s.over(t, "http")
		c.get("/pid?x=1", "User-Agent: suite \"quoted\"", "Referer: http://r.example/").want(t, 200)
		s.eventually("the request is logged", func() bool { return strings.Contains(s.log.outText(), "/pid?x=1") })
		line := regexp.MustCompile(`(?m)^127\.0\.0\.1 - - \[[^\]]+\] "GET /pid\?x=1 HTTP/1\.1" 200 \d+ "http://r\.example/" "suite .*quoted.*" [\w-]+$`)
		if !line.MatchString(s.log.outText()) {
			t.Errorf("the line is:\n%s", s.log.outText())
		}
	})
	t.Run("file and format", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "access.log")
		s := start(t, app("wsgi_probe:app", "sync", "--access-logfile", file, "--access-logformat", "%(m)s %(U)s %(q)s %(s)s %({x-id}i)s")...)
		s.over(t, "http").get("/pid?x=1", "X-Id: forged\tline").want(t, 200)
		s.stop()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		contains(t, string(text), "GET /pid x=1 200 forged")
		equal(t, "lines", strings.Count(string(text), "\n"), 1)
	})
	t.Run("off by default", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync")...)
		s.over(t, "http").get("/a-path-that-is-not-logged").want(t, 200)
		s.stop()
		if strings.Contains(s.log.text(), "a-path-that-is-not-logged") {
			t.Errorf("logged:\n%s", s.log.text())
		}
	})
}

// TestPlainOutput: no colours where no terminal is.
func TestPlainOutput(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync", "--access-logfile", "-")...)
	s.over(t, "http").get("/pid")
	s.stop()
	if strings.Contains(s.log.text(), "\x1b") {
		t.Errorf("escape sequences in:\n%q", s.log.text())
	}
}

// TestMissingLibrary: a model whose library is not installed says how to get it.
func TestMissingLibrary(t *testing.T) {
	t.Parallel()
	bare := bareInterpreter(t)
	for model, library := range map[string]string{"gevent": "gevent", "tornado": "tornado", "gtornado": "tornado"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			_, log, code := execute(t, "--python", bare, "--chdir", appsDir, "meet:app", "-w", model)
			if code <= 0 {
				t.Errorf("exit status %d", code)
			}
			contains(t, log, "pip install", library)
			if strings.Contains(log, "Traceback") {
				t.Errorf("a traceback where a line would do:\n%s", log)
			}
		})
	}
	t.Run("asgi needs none", func(t *testing.T) {
		t.Parallel()
		s := start(t, "--python", bare, "--chdir", appsDir, "asgi_probe:app", "-w", "asgi")
		contains(t, s.over(t, "http").get("/loop").want(t, 200), "asyncio")
	})
}

// bareInterpreter makes a virtual environment without any library.
func bareInterpreter(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bare")
	if err := run(repository, python, "-m", "venv", "--without-pip", dir); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "bin", "python")
}
