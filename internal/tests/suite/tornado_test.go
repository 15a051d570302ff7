//go:build linux

package suite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTornado(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(appsDir, "tornado_app.py"))
	if err != nil {
		t.Fatal(err)
	}
	matrix(t, "tornado_app:make_app()", tornadoModels, nil, map[string]func(*testing.T, *server, *client){
		"page": func(t *testing.T, s *server, c *client) {
			a := c.get("/")
			equal(t, "body", a.want(t, 200), "Hello from Tornado")
			equal(t, "Content-Length", a.ContentLength, 18)
			equal(t, "not found", c.get("/nothing").StatusCode, 404)
			equal(t, "wrong method", c.do("DELETE", "/", nil).StatusCode, 405)
			head := c.do("HEAD", "/", nil)
			equal(t, "HEAD is not defined", head.StatusCode, 405)
		},
		"url": func(t *testing.T, s *server, c *client) {
			where := decode[struct {
				URL, Name, Protocol, Client string
				Arguments                   []string
			}](t, c.get("/where/J%C3%BCrgen%20B.?a=1&a=2"))
			scheme, _, _ := strings.Cut(c.base, ":")
			equal(t, "url", where.URL, c.base+"/where/J%C3%BCrgen%20B.?a=1&a=2")
			equal(t, "facts", where.Name+" "+where.Protocol+" "+where.Client, "Jürgen B. "+scheme+" 127.0.0.1")
			equal(t, "arguments", strings.Join(where.Arguments, ","), "1,2")
		},
		"form": func(t *testing.T, s *server, c *client) {
			form := decode[map[string]any](t, c.post("/form", "application/x-www-form-urlencoded", "name=ali"))
			equal(t, "name", form["name"], any("ali"))
		},
		"upload": func(t *testing.T, s *server, c *client) {
			content := pattern(200_000)
			kind, body := multipartBody(t, "x", "bild.jpg", content)
			body = strings.ReplaceAll(body, `name="title"`, `name="name"`)
			contains(t, c.post("/form", kind, body).want(t, 200), "bild.jpg", "200000", digest(content))
		},
		"coroutines": func(t *testing.T, s *server, c *client) {
			equal(t, "async def", c.get("/native").want(t, 200), "awaited")
			equal(t, "gen.coroutine", c.get("/decorated").want(t, 200), "yielded")
		},
		"flush": func(t *testing.T, s *server, c *client) {
			a := c.get("/flush")
			equal(t, "body", a.want(t, 200), "one\ntwo\nthree\n")
			if c.version == "1.1" {
				equal(t, "chunked", strings.Join(a.TransferEncoding, ""), "chunked")
			}
		},
		"stream_request_body": func(t *testing.T, s *server, c *client) {
			content := pattern(2_000_000)
			for _, method := range []string{"POST", "PUT"} {
				got := decode[struct {
					SHA256 string
					Pieces int
				}](t, c.do(method, "/digest", struct{ *strings.Reader }{strings.NewReader(string(content))}))
				equal(t, "digest", got.SHA256, digest(content))
				if got.Pieces < 2 {
					t.Errorf("the body came in %d piece", got.Pieces)
				}
			}
		},
		"cookies": func(t *testing.T, s *server, c *client) {
			a := c.get("/cookies")
			equal(t, "status", a.StatusCode, 302)
			equal(t, "two Set-Cookie", len(a.Header.Values("Set-Cookie")), 2)
			equal(t, "read", c.get("/cookies/read").want(t, 200), `{"plain": "1", "signed": "secret value"}`)
		},
		"redirect": func(t *testing.T, s *server, c *client) {
			a := c.get("/moved")
			equal(t, "status", a.StatusCode, 301)
			equal(t, "location", a.Header.Get("Location"), "/")
		},
		"static files": func(t *testing.T, s *server, c *client) {
			a := c.get("/static/tornado_app.py")
			equal(t, "file", a.want(t, 200), string(source))
			equal(t, "range", c.get("/static/tornado_app.py", "Range: bytes=3-22").want(t, 206), string(source[3:23]))
			equal(t, "unchanged", c.get("/static/tornado_app.py", "If-None-Match: "+a.Header.Get("Etag")).StatusCode, 304)
			head := c.do("HEAD", "/static/tornado_app.py", nil)
			equal(t, "HEAD length", head.ContentLength, int64(len(source)))
			equal(t, "no way out", c.get("/static/..%2f..%2fsuite.go").StatusCode, 403)
		},
		"etag": func(t *testing.T, s *server, c *client) {
			tag := c.get("/tagged").Header.Get("Etag")
			equal(t, "unchanged", c.get("/tagged", "If-None-Match: "+tag).want(t, 304), "")
		},
		"error pages": func(t *testing.T, s *server, c *client) {
			checkError(t, s, c.get("/error"))
			a := c.get("/teapot")
			equal(t, "page", a.want(t, 418), "custom page for 418")
			contains(t, a.Status, "418")
		},
		"client leaves": func(t *testing.T, s *server, c *client) {
			leave(t, c, "/gone")
			equal(t, "noticed", c.get("/noticed").want(t, 200), "noticed")
		},
	})
}
