//go:build linux

package suite

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestFlask(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(appsDir, "flask_app.py"))
	if err != nil {
		t.Fatal(err)
	}
	matrix(t, "flask_app:app", wsgiModels, nil, map[string]func(*testing.T, *server, *client){
		"page": func(t *testing.T, s *server, c *client) {
			a := c.get("/")
			equal(t, "body", a.want(t, 200), "Hello from Flask")
			equal(t, "Content-Length", a.ContentLength, 16)
			equal(t, "not found", c.get("/nothing").StatusCode, 404)
			equal(t, "wrong method", c.post("/", "text/plain", "x").StatusCode, 405)
		},
		"routing of encoded paths": func(t *testing.T, s *server, c *client) {
			equal(t, "body", c.get("/greet/J%C3%BCrgen%20B.").want(t, 200), "Hello, Jürgen B.!")
		},
		"url": func(t *testing.T, s *server, c *client) {
			where := decode[struct {
				URL, Root, Client string
				Secure            bool
				Arguments         map[string][]string
			}](t, c.get("/where?a=1&a=2&b=%C3%A4"))
			equal(t, "url", where.URL, c.base+"/where?a=1&a=2&b=ä")
			equal(t, "secure", where.Secure, strings.HasPrefix(c.base, "https"))
			equal(t, "client", where.Client, "127.0.0.1")
			equal(t, "arguments", strings.Join(where.Arguments["a"], ",")+where.Arguments["b"][0], "1,2ä")
		},
		"form": func(t *testing.T, s *server, c *client) {
			form := decode[map[string][]string](t, c.post("/form", "application/x-www-form-urlencoded", "name=ali&tag=x&tag=y"))
			equal(t, "form", strings.Join(append(form["name"], form["tag"]...), " "), "ali x y")
		},
		"json": func(t *testing.T, s *server, c *client) {
			echoed := decode[map[string]string](t, c.post("/json", "application/json", `{"müsli":"☕"}`))
			equal(t, "json", echoed["müsli"], "☕")
		},
		"upload": checkUpload,
		"chunked upload": func(t *testing.T, s *server, c *client) {
			content := pattern(300_000)
			// A reader of unknown length goes out chunked.
			a := c.do("POST", "/digest", struct{ *strings.Reader }{strings.NewReader(string(content))})
			equal(t, "digest", a.want(t, 200), digest(content))
		},
		"session": func(t *testing.T, s *server, c *client) {
			a := c.get("/login?user=ali")
			equal(t, "two Set-Cookie", len(a.Header.Values("Set-Cookie")), 2)
			me := decode[map[string]string](t, c.get("/me"))
			equal(t, "who", me["user"]+" "+me["theme"], "ali dark")
		},
		"redirect": func(t *testing.T, s *server, c *client) {
			a := c.get("/moved")
			equal(t, "status", a.StatusCode, 302)
			equal(t, "location", a.Header.Get("Location"), "/greet/mover")
		},
		"stream": func(t *testing.T, s *server, c *client) {
			body := c.get("/stream?n=1000").want(t, 200)
			equal(t, "lines", strings.Count(body, "\n"), 1000)
			contains(t, body, "line 999 of /stream")
		},
		"download": func(t *testing.T, s *server, c *client) {
			a := c.get("/download")
			equal(t, "file", a.want(t, 200), string(source))
			equal(t, "Content-Length", a.ContentLength, int64(len(source)))
			part := c.get("/download", "Range: bytes=10-29")
			equal(t, "range", part.want(t, 206), string(source[10:30]))
			equal(t, "unchanged", c.get("/download", "If-None-Match: "+a.Header.Get("Etag")).want(t, 304), "")
			equal(t, "memory", c.get("/memory").want(t, 200), "from memory")
		},
		"head": func(t *testing.T, s *server, c *client) {
			a := c.do("HEAD", "/download", nil)
			equal(t, "body", a.want(t, 200), "")
			equal(t, "Content-Length", a.Header.Get("Content-Length"), strconv.Itoa(len(source)))
		},
		"error": func(t *testing.T, s *server, c *client) { checkError(t, s, c.get("/error")) },
	})
}

// checkUpload posts a multipart form with a file that no framework keeps in
// memory, and one that all do.
func checkUpload(t *testing.T, s *server, c *client) {
	for _, size := range []int{100, 700_000} {
		content := pattern(size)
		kind, body := multipartBody(t, "Fotos & mehr", "bild ü.jpg", content)
		got := decode[struct {
			Name, Title, SHA256 string
			Size                int
		}](t, c.post("/upload", kind, body))
		equal(t, "size", got.Size, size)
		equal(t, "digest", got.SHA256, digest(content))
		equal(t, "names", got.Name+" "+got.Title, "bild ü.jpg Fotos & mehr")
	}
}

// checkError: the client learns that it failed and nothing else, the log all.
func checkError(t *testing.T, s *server, a answer) {
	t.Helper()
	equal(t, "status", a.StatusCode, http.StatusInternalServerError)
	if strings.Contains(a.body, "secret") || strings.Contains(a.body, "Traceback") {
		t.Errorf("the answer tells about the failure:\n%s", a.body)
	}
	s.awaitLog(`(?s)Traceback.*RuntimeError: the secret of the failing`)
}
