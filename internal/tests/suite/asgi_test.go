//go:build linux

package suite

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestASGI holds the server to the ASGI 3.0 specification.
func TestASGI(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(appsDir, "asgi_probe.py"))
	if err != nil {
		t.Fatal(err)
	}
	matrix(t, "asgi_probe:app", []string{"asgi"}, nil, map[string]func(*testing.T, *server, *client){
		"scope": checkScope,
		"body": func(t *testing.T, s *server, c *client) {
			for _, size := range []int{0, 1, 70_000, 3_000_000} {
				content := pattern(size)
				equal(t, "sized", c.post("/body", "text/plain", string(content)).want(t, 200), digest(content))
				chunked := c.do("POST", "/body", struct{ io.Reader }{strings.NewReader(string(content))})
				equal(t, "chunked", chunked.want(t, 200), digest(content))
			}
		},
		"both ways": checkStreamBothWays,
		"early answer": func(t *testing.T, s *server, c *client) {
			equal(t, "body", c.post("/early", "text/plain", strings.Repeat("x", 30_000)).want(t, 403), "did not look")
			equal(t, "the next", c.get("/pid").StatusCode, 200)
		},
		"task and context": func(t *testing.T, s *server, c *client) {
			for range 3 {
				equal(t, "context", c.get("/isolated").want(t, 200), "clean True")
			}
		},
		"back-pressure": checkBackPressure,
		"disconnect":    checkDisconnect,
		"receive after the end": func(t *testing.T, s *server, c *client) {
			c.get("/after-end").want(t, 200)
			c.get("/left").want(t, 200)
		},
		"state": func(t *testing.T, s *server, c *client) {
			want := `{"shared": ["from startup", "seen"], "mine": "only here"}`
			equal(t, "first", c.get("/state").want(t, 200), want)
			equal(t, "second", c.get("/state").want(t, 200), want)
		},
		"early hints": checkEarlyHints,
		"event stream": func(t *testing.T, s *server, c *client) {
			response, err := c.http.Do(c.request("GET", "/events", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			equal(t, "type", response.Header.Get("Content-Type"), "text/event-stream")
			for n, in := 0, bufio.NewReader(response.Body); n < 3; n++ {
				event, err := in.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "event", event, fmt.Sprintf("data: %d\n", n))
				_, _ = in.ReadString('\n')
				if n < 2 {
					c.get("/next").want(t, 200)
				}
			}
		},
		"pathsend": func(t *testing.T, s *server, c *client) {
			equal(t, "file", c.get("/pathsend").want(t, 200), string(source))
			equal(t, "HEAD", c.do("HEAD", "/pathsend", nil).want(t, 200), "")
		},
		"trailers": func(t *testing.T, s *server, c *client) {
			a := c.do("GET", "/trailers", nil, "TE: trailers")
			equal(t, "body", a.want(t, 200), "checked")
			equal(t, "trailer", a.Trailer.Get("X-Checksum"), "42")
		},
		"two cookies": func(t *testing.T, s *server, c *client) { checkTwoCookies(t, c.get("/cookies"), "a=1|b=2") },
		"failures": func(t *testing.T, s *server, c *client) {
			checkError(t, s, c.get("/raises"))
			for _, path := range []string{"/silent", "/unordered", "/injection"} {
				a := c.get(path)
				equal(t, path, a.StatusCode, 500)
				equal(t, "stolen", a.Header.Get("Set-Cookie"), "")
			}
			equal(t, "before the failure", c.fails("/raises-midway").StatusCode, 200)
			if _, err := c.try(c.request("GET", "/short", nil)); err == nil {
				t.Error("a short body ended cleanly")
			}
		},
	})
}

func checkScope(t *testing.T, s *server, c *client) {
	a := c.do("GET", "/sc%C3%B6pe%2Fx?q=%20&r", nil, "X-Twice: 1", "X-Twice: 2")
	scope := decode[struct {
		Type, Method, Scheme, Path string
		HTTPVersion                string `json:"http_version"`
		RawPath                    string `json:"raw_path"`
		RootPath                   string `json:"root_path"`
		QueryString                string `json:"query_string"`
		ASGI                       map[string]string
		Headers                    [][2]string
		Client, Server             []any
		Extensions                 map[string]any
	}](t, a)
	scheme, host, _ := strings.Cut(c.base, "://")
	_, port, _ := strings.Cut(host, ":")
	equal(t, "basics", strings.Join([]string{scope.Type, scope.Method, scope.Scheme, scope.HTTPVersion}, " "), "http GET "+scheme+" "+c.version)
	equal(t, "path", scope.Path, "/scöpe/x")
	equal(t, "raw_path", scope.RawPath, "/sc%C3%B6pe%2Fx")
	equal(t, "root_path", scope.RootPath, "")
	equal(t, "query_string", scope.QueryString, "q=%20&r")
	equal(t, "asgi version", scope.ASGI["version"], "3.0")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "server", scope.Server[1], any(float64(number)))
	equal(t, "client", scope.Client[0], any("127.0.0.1"))
	twice := ""
	for _, h := range scope.Headers {
		equal(t, "case of "+h[0], h[0], strings.ToLower(h[0]))
		if h[0] == "x-twice" {
			twice += h[1]
		}
	}
	equal(t, "repeated header", twice, "12")
	for _, name := range []string{"http.response.pathsend", "http.response.trailers", "http.response.early_hint", "asteri.drain"} {
		if _, ok := scope.Extensions[name]; !ok {
			t.Errorf("extension %s is not announced", name)
		}
	}
}

// checkBackPressure: an application that sends without end is stopped while
// nobody reads, and is told when the reader has gone.
func checkBackPressure(t *testing.T, s *server, c *client) {
	reader, err := c.http.Do(c.request("GET", "/flood", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Body.Close()
	produced := func() int {
		n, err := strconv.Atoi(c.get("/produced").want(t, 200))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// The flood has stopped when many further requests find it unmoved.
	last, still := produced(), 0
	s.eventually("back-pressure stops the application", func() bool {
		now := produced()
		if now == last {
			still++
		} else {
			last, still = now, 0
		}
		return still == 50
	})
	const bound = 24 << 20 // socket buffers on both sides, the queue and the link's window
	if last > bound {
		t.Errorf("%d bytes were taken from the application while nobody read", last)
	}
	if _, err := io.CopyN(io.Discard, reader.Body, int64(last)); err != nil {
		t.Fatal(err)
	}
	s.eventually("reading lets it go on", func() bool { return produced() > last })
	reader.Body.Close()
	equal(t, "left", c.get("/left").want(t, 200), "left")
}

func checkDisconnect(t *testing.T, s *server, c *client) {
	conn := s.dial()
	if _, err := io.WriteString(conn, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	equal(t, "left", c.get("/left").want(t, 200), "left")
}

// checkStreamBothWays sends a piece, reads it back, sends the next: nothing may
// be held until the request or the response is complete.
func checkStreamBothWays(t *testing.T, s *server, c *client) {
	body, feed := io.Pipe()
	defer feed.Close()
	r := c.request("POST", "/echo", body)
	response := make(chan *http.Response, 1)
	go func() {
		a, err := c.http.Do(r)
		if err != nil {
			t.Error(err)
		}
		response <- a
	}()
	var lines *bufio.Reader
	for _, piece := range []string{"first\n", "second\n", "third\n"} {
		if _, err := io.WriteString(feed, piece); err != nil {
			t.Fatal(err)
		}
		if lines == nil {
			a := <-response
			if a == nil {
				return
			}
			defer a.Body.Close()
			lines = bufio.NewReader(a.Body)
		}
		got, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "piece", got, piece)
	}
	feed.Close()
	rest, err := io.ReadAll(lines)
	if err != nil || len(rest) > 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
}
