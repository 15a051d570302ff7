//go:build linux

package suite

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestChosenModel: without -w the application's kind decides, and the banner
// says what was chosen and why.
func TestChosenModel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"flask_app:app":          "sync",
		"djangosite.asgi":        "asgi",
		"djangosite.wsgi":        "sync",
		"fastapi_app:app":        "asgi",
		"tornado_app:app":        "tornado",
		"tornado_app:make_app()": "tornado",
		appsDir + "/meet.py":     "sync",
		"meet.py:app":            "sync",
	} {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			t.Parallel()
			database, err := djangoDatabase()
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, app(name, "", "-e", "DJANGO_DATABASE="+database)...)
			s.awaitLog(`\b` + want + `\b`)
		})
	}
}

// TestWrongCombination: what cannot work ends at start with one line that names
// the fix, not with a traceback.
func TestWrongCombination(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ app, model, fix string }{
		{"asgi_probe:app", "sync", "asgi"}, {"asgi_probe:app", "gthread", "asgi"}, {"asgi_probe:app", "gevent", "asgi"},
		{"fastapi_app:app", "tornado", "asgi"}, {"fastapi_app:app", "gtornado", "asgi"},
		{"tornado_app:app", "sync", "tornado"}, {"tornado_app:app", "gthread", "tornado"},
		{"tornado_app:app", "gevent", "tornado"}, {"tornado_app:app", "asgi", "tornado"},
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			_, log, code := execute(t, app(test.app, test.model)...)
			if code <= 0 {
				t.Errorf("exit status %d", code)
			}
			contains(t, log, test.model, "-k "+test.fix)
			if strings.Contains(log, "Traceback") {
				t.Errorf("a traceback where a line would do:\n%s", log)
			}
		})
	}
}

// TestConcurrency proves how many requests one process runs at a time: the
// requests wait for each other inside the application, so no clock decides.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		app, model string
		more       []string
		want       int
	}{
		{"meet:app", "sync", nil, 1},
		{"meet:app", "gthread", []string{"--threads", "4"}, 4},
		{"meet:app", "gevent", nil, 12},
		{"meet:app", "asgi", []string{"--threads", "4"}, 4},
		{"meet:app", "tornado", nil, 1},
		{"meet:app", "gtornado", nil, 12},
		{"tornado_app:app", "tornado", nil, 1},
		{"tornado_app:app", "gtornado", nil, 12},
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(test.app, test.model, test.more...)...)
			c := s.over(t, "http")
			requests, patient := test.want, "20"
			if test.want == 1 { // two would meet, if they could
				requests, patient = 2, "0.3"
			}
			for _, seen := range together(t, c, requests, fmt.Sprintf("/meet?n=%d&patience=%s", requests, patient)) {
				most, _, _ := strings.Cut(seen, " ")
				equal(t, "requests inside the process at once", most, fmt.Sprint(test.want))
			}
		})
	}
}

// together sends n requests at the same time and returns the answers.
func together(t *testing.T, c *client, n int, path string) []string {
	t.Helper()
	answers := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			a, err := c.try(c.request("GET", path, nil))
			if err != nil {
				t.Error(err)
				return
			}
			answers[i] = a.body
		})
	}
	all.Wait()
	return answers
}

// TestFlags: wsgi.multithread and wsgi.multiprocess say what the model does.
func TestFlags(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{
		"sync":       `{"multithread": false, "multiprocess": false, "run_once": false}`,
		"sync:2":     `{"multithread": false, "multiprocess": true, "run_once": false}`,
		"gthread":    `{"multithread": true, "multiprocess": false, "run_once": false}`,
		"gthread:2":  `{"multithread": true, "multiprocess": true, "run_once": false}`,
		"gevent":     `{"multithread": true, "multiprocess": false, "run_once": false}`,
		"asgi":       `{"multithread": true, "multiprocess": false, "run_once": false}`,
		"tornado:2":  `{"multithread": false, "multiprocess": true, "run_once": false}`,
		"gtornado:2": `{"multithread": true, "multiprocess": true, "run_once": false}`,
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("meet:app", model, "--threads", threadsFor(model))...)
			equal(t, "flags", s.over(t, "http").get("/flags").want(t, 200), want)
		})
	}
}

// threadsFor keeps sync what it is: more than one thread would make it gthread.
func threadsFor(model string) string {
	if strings.HasPrefix(model, "gthread") || model == "asgi" {
		return "4"
	}
	return "1"
}

// TestAsyncioInside: a WSGI call may run an event loop of its own, also where the
// process has one already, and beside others that do the same. (Not under gevent:
// asyncio knows one running loop a thread, and greenlets share theirs.)
func TestAsyncioInside(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sync", "gthread", "asgi", "tornado", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("meet:app", model)...)
			c := s.over(t, "http")
			for _, body := range together(t, c, 3, "/asyncio-run") {
				equal(t, "answer", body, "forty-two")
			}
		})
	}
}

// TestRootPath: the application is mounted below a path.
func TestRootPath(t *testing.T) {
	t.Parallel()
	t.Run("wsgi", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync", "--root-path", "/mounted")...)
		environ := decode[map[string]any](t, s.over(t, "http").get("/mounted/environ"))
		equal(t, "SCRIPT_NAME", environ["SCRIPT_NAME"], any("/mounted"))
		equal(t, "PATH_INFO", environ["PATH_INFO"], any("/environ"))
	})
	t.Run("beyond ASCII", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("wsgi_probe:app", "sync", "--root-path", "/caf\u00e9")...)
		environ := decode[map[string]any](t, s.over(t, "http").get("/caf%C3%A9/environ"))
		equal(t, "SCRIPT_NAME", environ["SCRIPT_NAME"], any("/caf\u00c3\u00a9")) // PEP 3333: UTF-8, read as latin-1
		equal(t, "PATH_INFO", environ["PATH_INFO"], any("/environ"))
	})
	t.Run("flask", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("flask_app:app", "gthread", "--root-path", "/mounted")...)
		equal(t, "a link", s.over(t, "http").get("/mounted/moved").Header.Get("Location"), "/mounted/greet/mover")
	})
	t.Run("asgi", func(t *testing.T) {
		t.Parallel()
		s := start(t, app("starlette_app:app", "asgi", "--root-path", "/mounted")...)
		where := decode[map[string]any](t, s.over(t, "http").get("/mounted/where"))
		equal(t, "root_path", where["root_path"], any("/mounted"))
	})
}

// TestEventLoop: uvloop is used where it is installed, asyncio when asked for.
func TestEventLoop(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]string{"auto": "uvloop", "uvloop": "uvloop", "asyncio": "asyncio"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("asgi_probe:app", "asgi", "--asgi-loop", choice)...)
			contains(t, s.over(t, "http").get("/loop").want(t, 200), want)
		})
	}
}
