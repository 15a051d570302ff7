//go:build linux

package suite

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStarlette(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(appsDir, "starlette_app.py"))
	if err != nil {
		t.Fatal(err)
	}
	matrix(t, "starlette_app:app", []string{"asgi"}, nil, map[string]func(*testing.T, *server, *client){
		"page": func(t *testing.T, s *server, c *client) {
			equal(t, "body", c.get("/").want(t, 200), "Hello from Starlette")
			equal(t, "not found", c.get("/nothing").StatusCode, 404)
		},
		"url": func(t *testing.T, s *server, c *client) {
			where := decode[struct {
				URL, Client string
				Query       [][2]string
			}](t, c.get("/sub/where?a=1&a=2"))
			equal(t, "url", where.URL, c.base+"/sub/where?a=1&a=2")
			equal(t, "client", where.Client, "127.0.0.1")
			equal(t, "query", len(where.Query), 2)
		},
		"file": func(t *testing.T, s *server, c *client) {
			a := c.get("/file")
			equal(t, "file", a.want(t, 200), string(source))
			equal(t, "range", c.get("/file", "Range: bytes=5-24").want(t, 206), string(source[5:25]))
			head := c.do("HEAD", "/file", nil)
			equal(t, "HEAD length", head.ContentLength, int64(len(source)))
			equal(t, "HEAD body", head.body, "")
		},
		"stream": func(t *testing.T, s *server, c *client) {
			equal(t, "pieces", strings.Count(c.get("/stream?n=1000").want(t, 200), "\n"), 1000)
		},
		"client leaves a stream": func(t *testing.T, s *server, c *client) {
			leave(t, c, "/forever")
			equal(t, "noticed", c.get("/noticed").want(t, 200), "noticed")
		},
		"client leaves an idle stream": func(t *testing.T, s *server, c *client) {
			a, err := c.http.Do(c.request("GET", "/idle", nil))
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			equal(t, "noticed", c.get("/noticed").want(t, 200), "noticed")
		},
		"client leaves while waiting": func(t *testing.T, s *server, c *client) {
			conn := s.dial()
			if _, err := io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			equal(t, "noticed", c.get("/noticed").want(t, 200), "noticed")
		},
		"two cookies": func(t *testing.T, s *server, c *client) {
			a := c.get("/cookies")
			equal(t, "status", a.StatusCode, 303)
			equal(t, "cookies", strings.Join(a.Header.Values("Set-Cookie"), "|"),
				"a=1; Path=/; SameSite=lax|b=2; HttpOnly; Path=/; SameSite=lax")
		},
		"background": func(t *testing.T, s *server, c *client) {
			equal(t, "answer", c.get("/background").want(t, 200), "answered first")
			equal(t, "after", c.get("/background-done").want(t, 200), "cleaned")
		},
		"error":        func(t *testing.T, s *server, c *client) { checkError(t, s, c.get("/error")) },
		"error midway": func(t *testing.T, s *server, c *client) { equal(t, "before", c.fails("/error-midway").StatusCode, 200) },
	})
}

// leave asks for an endless response and goes away in the middle of it.
func leave(t *testing.T, c *client, path string) {
	t.Helper()
	a, err := c.http.Do(c.request("GET", path, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(a.Body, make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
}
