//go:build linux

package suite

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const browser = "Accept: text/html,*/*;q=0.8"

// project is the folder of an application that somebody works on.
type project struct {
	t   *testing.T
	dir string
}

func newProject(t *testing.T, files map[string]string) *project {
	t.Helper()
	p := &project{t, t.TempDir()}
	for name, text := range files {
		p.save(name, text)
	}
	return p
}

// save writes a file as many editors do: another one takes its place.
func (p *project) save(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".tmp", []byte(text), 0o600), os.Rename(path+".tmp", path))
	if err != nil {
		p.t.Fatal(err)
	}
}

// start starts a server of the project.
func (p *project) start(args ...string) *server {
	p.t.Helper()
	return start(p.t, append([]string{"--python", python, "--chdir", p.dir}, args...)...)
}

// becomes waits until the answer to path holds text.
func (s *server) becomes(c *client, path, text string, headers ...string) answer {
	s.t.Helper()
	var a answer
	s.eventually(path+" answers "+text, func() bool {
		a = c.get(path, headers...)
		return strings.Contains(a.body, text)
	})
	return a
}

const flaskHello = `
import words
from flask import Flask, render_template
app = Flask(__name__)

@app.get("/")
def hello():
    return "<html><body>" + words.HELLO + "</body></html>"

@app.get("/page")
def page():
    return render_template("page.html")
`

func flaskProject(t *testing.T) *project {
	return newProject(t, map[string]string{
		"app.py": flaskHello, "words.py": `HELLO = "hello one"`, "templates/page.html": "<p>first</p>", "other/unused.py": "",
	})
}

// TestReload is a day's work: a change, a mistake, its repair.
func TestReload(t *testing.T) {
	t.Parallel()
	for model, args := range map[string][]string{
		"sync": nil, "gthread with several workers": {"-w", "gthread:3", "--threads", "4"}, "gevent": {"-w", "gevent"}, "gtornado": {"-w", "gtornado"}, "asgi": {"-w", "asgi"}, "tornado": {"-w", "tornado"}, "TLS": {"--protocols", "https"},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			p := flaskProject(t)
			s := p.start(append([]string{"--reload", "app:app"}, args...)...)
			scheme := "http"
			if model == "TLS" {
				scheme = "https"
			}
			c := s.over(t, scheme)
			contains(t, c.get("/").want(t, 200), "hello one")
			p.save("words.py", `HELLO = "hello two"`)
			s.becomes(c, "/", "hello two")

			p.save("words.py", "HELLO = <b>")
			page := s.becomes(c, "/", "SyntaxError", browser)
			equal(t, "status", page.StatusCode, 500)
			equal(t, "type", page.Header.Get("Content-Type"), "text/html; charset=utf-8")
			contains(t, page.body, "HELLO = &lt;b&gt;")
			contains(t, page.body, "import words")
			text := c.get("/")
			equal(t, "status", text.StatusCode, 500)
			contains(t, text.body, "HELLO = <b>")
			contains(t, s.log.text(), "SyntaxError")
			contains(t, c.get("/", browser, "X-Forwarded-For: 127.0.0.1").want(t, 200), "hello two")
			contains(t, c.get("/", browser, "Host: shop.example").want(t, 200), "hello two")

			p.save("words.py", `HELLO = "hello three"`)
			s.becomes(c, "/", "hello three", browser)
		})
	}
}

// TestReloadAtTheStart: code that does not import does not end the server.
func TestReloadAtTheStart(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"app.py": "import words\n" + wsgiSaying("words.HELLO")})
	s := p.start("--reload", "app:app")
	c := s.over(t, "http")
	page := c.get("/", browser)
	equal(t, "status", page.StatusCode, 500)
	contains(t, page.body, "No module named &#39;words&#39;")
	equal(t, "through a proxy", c.get("/", browser, "Via: 1.1 proxy").StatusCode, 503)
	equal(t, "ready", c.get("/readyz").StatusCode, 503)
	p.save("words.py", "HELLO = = 1")
	s.becomes(c, "/", "SyntaxError")
	p.save("words.py", `HELLO = "hello"`)
	s.becomes(c, "/", "hello", browser)
	equal(t, "ready", c.get("/readyz").StatusCode, 200)
}

// wsgiSaying is an application without a framework.
func wsgiSaying(expression string) string {
	return "def app(environ, start_response):\n" +
		"    start_response('200 OK', [('Content-Type', 'text/html')])\n" +
		"    return [(" + expression + ").encode()]\n"
}

// TestNoRequestIsLostByReloads: clients ask all the time while files change all the time.
func TestNoRequestIsLostByReloads(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"app.py": wsgiSaying("'0.'")})
	s := p.start("--reload", "-w", "2", "app:app")
	var stop atomic.Bool
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for c := s.over(t, "http"); !stop.Load(); {
				if a, err := c.try(c.request("GET", "/", nil)); err != nil || a.StatusCode != 200 {
					t.Errorf("%v %v", a.Response, err)
					return
				}
			}
		})
	}
	c := s.over(t, "http")
	for _, text := range []string{"1.", "2.", "3.", "4."} {
		p.save("app.py", wsgiSaying("'"+text+"'"))
		if text != "2." { // which is overtaken by the third, perhaps during its reload
			s.becomes(c, "/", text)
		}
	}
	stop.Store(true)
	clients.Wait()
}

// TestReloadPatterns: what is no module counts where it is asked for.
func TestReloadPatterns(t *testing.T) {
	t.Parallel()
	p := flaskProject(t)
	s := p.start("--reload", "--reload-include", "*.html", "--reload-exclude", "words.py", "--reload-extra-file", "secrets.env", "app:app")
	c := s.over(t, "http")
	contains(t, c.get("/page").want(t, 200), "first")
	p.save("templates/page.html", "<p>second</p>")
	s.awaitLog(`Reloading: templates/page.html has changed`)
	s.becomes(c, "/page", "second")
	p.save("words.py", `HELLO = "excluded"`)
	p.save("secrets.env", "A=1")
	s.awaitLog(`Reloading: secrets.env has changed`)
	if strings.Contains(s.log.text(), "words.py has changed") {
		t.Error("what is excluded is watched")
	}
}

// TestReloadOfMounts: an application whose files have not changed goes on.
func TestReloadOfMounts(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{
		"shop.py": "import os\n" + wsgiSaying("'shop one %d.' % os.getpid()"), "blog.py": "import os\n" + wsgiSaying("'blog one %d.' % os.getpid()"),
	})
	s := p.start("--reload", "--mount", "/blog=blog:app", "shop:app")
	c := s.over(t, "http")
	before := c.get("/blog/").want(t, 200)
	p.save("shop.py", "import os\n"+wsgiSaying("'shop two %d.' % os.getpid()"))
	s.becomes(c, "/", "shop two")
	number := regexp.MustCompile(`[0-9]+\.`)
	equal(t, "the other's process", number.FindString(c.get("/blog/").body), number.FindString(before))
	p.save("blog.py", "import nowhere")
	s.becomes(c, "/blog/", "No module named")
	contains(t, c.get("/").want(t, 200), "shop two")
}

// TestBrowserIsTold: a page has a script, which listens to a stream, which tells of a reload.
func TestBrowserIsTold(t *testing.T) {
	t.Parallel()
	p := flaskProject(t)
	s := p.start("--reload", "--compress", "gzip", "--compress-min-length", "1", "app:app")
	c := s.over(t, "http")
	element := regexp.MustCompile(`<script src="([^"]+)" data-version="([^"]+)"></script>\n</body></html>`)
	found := element.FindStringSubmatch(c.get("/", browser).want(t, 200))
	if found == nil {
		t.Fatalf("no script in %s", c.get("/", browser).body)
	}
	contains(t, c.get(found[1]).want(t, 200), "EventSource")
	if c.get("/", browser, "X-Forwarded-For: 1.2.3.4").want(t, 200) != "<html><body>hello one</body></html>" {
		t.Error("a page for a proxy is not as it was")
	}
	coded := c.get("/", browser, "Accept-Encoding: gzip")
	equal(t, "coding", coded.Header.Get("Content-Encoding"), "gzip")

	response, err := c.http.Do(c.request("GET", "/asteri-status/refresh", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events := bufio.NewScanner(response.Body)
	next := func() string {
		for events.Scan() {
			if version, ok := strings.CutPrefix(events.Text(), "data: "); ok {
				return version
			}
		}
		t.Fatalf("the stream has ended: %v\n%s", events.Err(), s.log.tail())
		return ""
	}
	equal(t, "the version", next(), found[2])
	p.save("words.py", `HELLO = "hello two"`)
	after := next()
	found = element.FindStringSubmatch(c.get("/", browser).want(t, 200))
	if len(found) == 0 || found[2] != after || !strings.Contains(c.get("/").body, "hello two") {
		t.Errorf("the page is of %v, the stream of %s", found, after)
	}
	p.save("words.py", "HELLO = = 1")
	next()
	contains(t, c.get("/", browser).body, "/refresh.js")
	s.stop() // the stream does not hold it up
}

func TestReloadBrowserOff(t *testing.T) {
	t.Parallel()
	p := flaskProject(t)
	s := p.start("--reload", "--reload-browser", "off", "app:app")
	c := s.over(t, "http")
	equal(t, "page", c.get("/", browser).want(t, 200), "<html><body>hello one</body></html>")
	p.save("words.py", `HELLO = "hello two"`)
	s.becomes(c, "/", "hello two")
	equal(t, "stream", c.get("/asteri-status/refresh").StatusCode, 404)
}

// TestDev: one word for all that is for development, of which each can be set otherwise.
func TestDev(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"app.py": "def app(environ, start_response):\n    return [][1]  # out\n"})
	s := start(t, "dev", "-l", "127.0.0.1:0", "--python", python, "--chdir", p.dir, "app:app")
	c := s.over(t, "http")
	page := c.get("/", browser)
	equal(t, "status", page.StatusCode, 500)
	contains(t, page.body, "IndexError: list index out of range")
	contains(t, page.body, "return [][1]  # out")
	contains(t, page.Header.Get("Server-Timing"), "app;dur=")
	equal(t, "through a proxy", strings.TrimSpace(c.get("/", browser, "X-Forwarded-For: 127.0.0.1").body), "500 Internal Server Error")
	s.awaitLog(`"GET / HTTP/1.1" 500`)
	p.save("app.py", wsgiSaying("'repaired'"))
	s.becomes(c, "/", "repaired", browser)

	plain := start(t, "dev", "-l", "127.0.0.1:0", "--python", python, "--chdir", p.dir, "--tracebacks", "off", "--server-timing=off", "-w", "2", "app:app")
	contains(t, plain.log.text(), "2 workers")
	equal(t, "Server-Timing", plain.over(t, "http").get("/").Header.Get("Server-Timing"), "")
}

func TestWithoutReloadNothingIsWatched(t *testing.T) {
	t.Parallel()
	p := flaskProject(t)
	s := p.start("app:app")
	c := s.over(t, "http")
	equal(t, "page", c.get("/", browser).want(t, 200), "<html><body>hello one</body></html>")
	p.save("words.py", `HELLO = "hello two"`)
	s.signal(syscall.SIGHUP)
	s.becomes(c, "/", "hello two")
	equal(t, "stream", c.get("/asteri-status/refresh").StatusCode, http.StatusNotFound)
	equal(t, "reloads", strings.Count(s.log.text(), "Reloaded"), 1)
}

// TestReloadSaysWhatIsWrong: one line, and what can be served is.
func TestReloadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := flaskProject(t)
	for args, want := range map[string]string{
		"--reload-dir nowhere":               `"nowhere" cannot be watched: no such file or directory`,
		"--reload-dir app.py":                `"app.py" cannot be watched: it is not a directory`,
		"--reload-include [a":                `--reload-include: "[a": must be a pattern`,
		"--reload-extra-file nowhere/secret": `"nowhere/secret" cannot be watched: its directory: no such file or directory`,
	} {
		s := launchServer(t, launch{args: append([]string{"--python", python, "--chdir", p.dir, "--reload", "app:app"}, strings.Fields(args)...)})
		equal(t, args, s.wait(), 2)
		contains(t, s.log.text(), want)
	}
	s := start(t, "--reload")
	contains(t, s.log.text(), "No files are watched: there is no Python application to reload")
	open := start(t, "--python", python, "--chdir", p.dir, "--reload", "--bind", "0.0.0.0:0", "app:app")
	contains(t, open.log.text(), "it is not for production")
}
