//go:build linux

package suite

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWSGI holds the server to PEP 3333 under every model.
func TestWSGI(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(appsDir, "wsgi_probe.py"))
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]func(*testing.T, *server, *client){
		"environ": checkEnviron,
		"path": func(t *testing.T, s *server, c *client) {
			// Percent-decoded bytes; a plus is a plus, %2F is a slash, invalid UTF-8 stays as it is.
			for target, want := range map[string]string{
				"/a%20b+c": "/a b+c", "/%C3%A4": "/ä", "/x%2Fy": "/x/y", "/%FF%fe": "/\xff\xfe", "//d//": "//d//",
			} {
				equal(t, target, string(unhex(t, rawGet(t, s, c, target))), want)
			}
		},
		"write": func(t *testing.T, s *server, c *client) {
			equal(t, "body", c.get("/write").want(t, 200), "one,two,three")
		},
		"early hints": checkEarlyHints,
		"two cookies": func(t *testing.T, s *server, c *client) {
			checkTwoCookies(t, c.get("/cookies"), "a=1; Path=/|b=2; HttpOnly")
		},
		"generator is closed": func(t *testing.T, s *server, c *client) {
			equal(t, "body", c.get("/generator?n=3").want(t, 200), "piece 0\npiece 1\npiece 2\n")
			equal(t, "close", c.get("/closed").want(t, 200), "closed")
			equal(t, "empty", c.get("/generator?n=0").want(t, 200), "")
			equal(t, "close", c.get("/closed").want(t, 200), "closed")
			equal(t, "HEAD", c.do("HEAD", "/generator?n=3", nil).want(t, 200), "")
			equal(t, "close", c.get("/closed").want(t, 200), "closed")
		},
		"exc_info before the head": func(t *testing.T, s *server, c *client) {
			a := c.get("/exc-info-before")
			equal(t, "body", a.want(t, 503), "changed")
			equal(t, "replaced header", a.Header.Get("X-First"), "")
		},
		"exc_info after the head": func(t *testing.T, s *server, c *client) {
			if _, err := c.try(c.request("GET", "/exc-info-after", nil)); err == nil {
				t.Error("ended cleanly")
			}
			s.awaitLog("too late for a clean error")
		},
		"start_response twice": func(t *testing.T, s *server, c *client) {
			body := c.get("/started-twice").want(t, 200)
			if !strings.HasSuffix(body, "Error") {
				t.Errorf("the second call was %s", body)
			}
		},
		"status lines": func(t *testing.T, s *server, c *client) {
			for _, status := range []int{204, 304, 299, 404, 599} {
				a := c.get("/status?line=" + http.StatusText(200) + "&line=" + strconv.Itoa(status) + "%20Some%20Words")
				equal(t, "body", a.want(t, status), "")
				if c.version == "1.1" { // later ones have no reasons
					equal(t, "status line", a.Status, strconv.Itoa(status)+" Some Words")
				}
			}
			c.get("/status?line=600%20Beyond").want(t, 500)
			s.awaitLog("'600 Beyond' is not a status line")
		},
		"head": func(t *testing.T, s *server, c *client) {
			a := c.do("HEAD", "/head", nil)
			equal(t, "length", a.ContentLength, 1234)
			equal(t, "body", a.body, "")
		},
		"reading": checkReading,
		"unread body": func(t *testing.T, s *server, c *client) {
			for range 3 {
				equal(t, "body", c.post("/unread", "text/plain", strings.Repeat("x", 20_000)).want(t, 200), "did not look")
			}
		},
		"file_wrapper": func(t *testing.T, s *server, c *client) {
			equal(t, "file", c.get("/file").want(t, 200), string(source))
			equal(t, "from its position", c.get("/file?offset=1000").want(t, 200), string(source[1000:]))
			equal(t, "as long as announced", c.get("/file-length").want(t, 200), string(source[:100]))
			equal(t, "memory", c.get("/file-memory").want(t, 200), strings.Repeat("m", 100_000))
			equal(t, "HEAD", c.do("HEAD", "/file", nil).want(t, 200), "")
		},
		"errors and prints are logged": func(t *testing.T, s *server, c *client) {
			c.get("/errors?line="+strconv.Itoa(s.pid)).want(t, 200)
			s.awaitLog("complained about " + strconv.Itoa(s.pid))
			s.awaitLog("printed " + strconv.Itoa(s.pid))
		},
		"failures before the head": func(t *testing.T, s *server, c *client) {
			checkError(t, s, c.get("/raises"))
			for _, path := range []string{"/header-injection", "/not-bytes", "/never-started"} {
				a := c.get(path)
				equal(t, path, a.StatusCode, 500)
				equal(t, "stolen", a.Header.Get("Set-Cookie"), "")
			}
		},
		"failures after the head": func(t *testing.T, s *server, c *client) {
			c.fails("/raises-midway")
			if _, err := c.try(c.request("GET", "/short", nil)); err == nil {
				t.Error("a short body ended cleanly")
			}
		},
		"connection fields are the server's": func(t *testing.T, s *server, c *client) {
			a := c.get("/hop-by-hop")
			equal(t, "body", a.want(t, 200), "never chunked")
			equal(t, "chunked", len(a.TransferEncoding), 0)
		},
		"subclasses": func(t *testing.T, s *server, c *client) {
			a := c.get("/subclassed")
			equal(t, "body", a.want(t, 200), "subclassed")
			equal(t, "header", a.Header.Get("X-Text"), "kept")
		},
	}
	matrix(t, "wsgi_probe:app", wsgiModels, nil, checks)
}

// TestWSGIMistakes: what an application does wrong is logged once, in a line that says
// what to look for.
func TestWSGIMistakes(t *testing.T) {
	t.Parallel()
	s := start(t, app("wsgi_probe:app", "sync")...)
	c := s.over(t, "http")
	if _, err := c.try(c.request("GET", "/short", nil)); err == nil {
		t.Error("a short body ended cleanly")
	}
	equal(t, "a field that cannot be sent", c.get("/wide").StatusCode, 500)
	s.stop()
	for _, mistake := range []string{"less content than the Content-Length", `a header field is not latin-1 text: \"X-Wide\"`} {
		if n := strings.Count(s.log.text(), mistake); n != 1 {
			t.Errorf("%s is logged %d times", mistake, n)
		}
	}
}

// TestWSGIClosedWhenClientLeaves: an endless iterable is closed once nobody
// reads it.
func TestWSGIClosedWhenClientLeaves(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"sync", "gthread:1", "gevent", "asgi"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("wsgi_probe:app", model, "--threads", "2")...)
			c := s.over(t, "http")
			leave(t, c, "/endless")
			equal(t, "close", c.get("/closed").want(t, 200), "closed")
		})
	}
}

// TestWSGIValidated serves an application under wsgiref.validate, which raises
// at every breach of the interface.
func TestWSGIValidated(t *testing.T) {
	t.Parallel()
	matrix(t, "wsgi_probe:validated", wsgiModels, nil, map[string]func(*testing.T, *server, *client){
		"all": func(t *testing.T, s *server, c *client) {
			for _, path := range []string{"/environ?a=1", "/write", "/cookies", "/generator?n=4", "/exc-info-before", "/file"} {
				if a := c.get(path); a.StatusCode != 200 && a.StatusCode != 503 {
					t.Errorf("%s: %s", path, a.Status)
				}
			}
			for _, how := range []string{"all", "pieces", "lines", "iterating", "readlines"} {
				equal(t, how, c.post("/read?how="+how, "text/plain", "one\ntwo\nthree").want(t, 200), digest([]byte("one\ntwo\nthree")))
			}
			equal(t, "HEAD", c.do("HEAD", "/head", nil).StatusCode, 200)
			if text := s.log.text(); strings.Contains(text, "AssertionError") {
				t.Errorf("wsgiref.validate complains:\n%s", text)
			}
		},
	})
}

func checkTwoCookies(t *testing.T, a answer, want string) {
	t.Helper()
	a.want(t, 200)
	equal(t, "cookies", strings.Join(a.Header.Values("Set-Cookie"), "|"), want)
}

func checkEnviron(t *testing.T, s *server, c *client) {
	a := c.do("GET", "/environ?a=%20b&c", nil, "X-Twice: 1", "X-Twice: 2", "Cookie: a=1", "Cookie: b=2",
		"X_Under: smuggled", "Content-Type: text/odd")
	environ := decode[map[string]any](t, a)
	scheme, host, _ := strings.Cut(c.base, "://")
	name, port, _ := strings.Cut(host, ":")
	for key, want := range map[string]any{
		"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ", "QUERY_STRING": "a=%20b&c",
		"SERVER_PROTOCOL": "HTTP/" + c.version, "SERVER_NAME": name, "SERVER_PORT": port, "REMOTE_ADDR": "127.0.0.1",
		"wsgi.url_scheme": scheme, "wsgi.run_once": false, "HTTP_HOST": host,
		"HTTP_X_TWICE": "1,2", "HTTP_COOKIE": "a=1; b=2", "CONTENT_TYPE": "text/odd",
	} {
		got := environ[key]
		if key == "HTTP_X_TWICE" { // a space after the comma is as good
			got = strings.ReplaceAll(got.(string), ", ", ",")
		}
		equal(t, key, got, want)
	}
	for _, key := range []string{"HTTP_X_UNDER", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} {
		if value, ok := environ[key]; ok {
			t.Errorf("%s is %v, want none", key, value)
		}
	}
	for _, key := range []string{"REMOTE_PORT", "SERVER_SOFTWARE", "wsgi.version"} {
		if _, ok := environ[key]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
}

func checkReading(t *testing.T, s *server, c *client) {
	bodies := map[string]string{
		"empty": "", "no line end": "abc", "lines": "one\ntwo\n\nfour\n", "large": string(pattern(150_000)),
	}
	for _, how := range []string{"all", "to_end", "pieces", "lines", "lines_at_most", "iterating", "readlines", "mixed", "past_end"} {
		for name, body := range bodies {
			equal(t, how+" "+name, c.post("/read?how="+how, "text/plain", body).want(t, 200), digest([]byte(body)))
		}
	}
	// Chunked: PEP 3333 knows no length then, so a server either measures or
	// lets the application read to the end; both must give the whole body.
	chunked := c.do("POST", "/read?how=to_end", struct{ io.Reader }{strings.NewReader(bodies["large"])})
	equal(t, "chunked", chunked.want(t, 200), digest([]byte(bodies["large"])))
}
