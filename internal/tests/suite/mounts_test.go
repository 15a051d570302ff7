//go:build linux

package suite

import (
	"crypto/sha1" // RFC 6455 section 1.3 wants it, and not for secrecy
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// Servers behind URL mounts, attacked by every protocol.

// versions are the ways to ask one port.
var versions = []string{"http", "https", "h2", "h2c", "h3"}

const allVersions = "h1,h2,h3"

// asIs asks for a target as it is, by a client that would resolve it otherwise.
func (c *client) asIs(method, target string, body io.Reader, headers ...string) answer {
	c.t.Helper()
	r := c.request(method, "/", body, headers...)
	path, query, _ := strings.Cut(target, "?")
	r.URL.Opaque, r.URL.RawQuery = path, query
	a, err := c.try(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

// upstream is a server that answers as its paths say.
func upstream(t *testing.T) *httptest.Server {
	t.Helper()
	stalled := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && !strings.HasSuffix(r.URL.Path, "/page"):
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\nX-Path: %s\r\nX-Fields: %s\r\n\r\n",
				accepted(r.Header.Get("Sec-WebSocket-Key")), r.RequestURI, strings.Join(underscored(r.Header), ","))
			_ = rw.Flush()
			_, _ = io.Copy(conn, rw)
		case strings.HasSuffix(r.URL.Path, "/stall"):
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "abc")
			_ = http.NewResponseController(w).Flush()
			<-stalled
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			_ = json.NewEncoder(w).Encode(map[string]any{"path": r.RequestURI, "fields": underscored(r.Header), "trailers": underscored(r.Trailer)})
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(stalled) })
	return s
}

// accepted is what a server answers to a key (RFC 6455 section 4.2.2).
func accepted(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func underscored(h http.Header) []string {
	names := []string{}
	for name := range h {
		if strings.Contains(name, "_") {
			names = append(names, name)
		}
	}
	return names
}

// leavings are paths and what is asked of a server mounted with --mount /ng=URL/pub; or the
// status, or "app" for the application.
var leavings = map[string]string{
	"/ng":                        "/pub",
	"/ng/":                       "/pub/",
	"/ng/x?/../y":                "/pub/x?/../y",
	"/ng/a/../b":                 "/pub/b",
	"/ng/.":                      "/pub/",
	"/ng/..":                     "app",
	"/ng/../admin/":              "app",
	"/ng/%2e%2e/admin/":          "app",
	"/ng/.%2E/admin/":            "app",
	"/ng/x/%2e%2e/%2e%2e/admin/": "app",
	"/ng//../../admin":           "app",
	"/ng;x/../admin":             "app",
	"/ng/../ng/../admin":         "app",
	"/x/../ng/a":                 "/pub/a",
	"/%6eg/a":                    "/pub/a",
	"/ng//../a":                  "/pub/a",
	"/ng/a%2Fb":                  "/pub/a%2Fb",
	"/ng/%252e%252e/admin":       "/pub/%252e%252e/admin",
	"/ng/..%2fadmin/":            "400",
	"/ng/..%2F..%2Fadmin/":       "400",
	"/ng/%2e%2e%2fadmin/":        "400",
	"/ng/a%2f../admin/":          "400",
	"/ng/..%5cadmin/":            "400",
	"/ng/..;/admin/":             "400",
	"/ng/..%00/admin/":           "400",
	"/app/..%2fadmin/":           "app", // an application may have such names
	"/s/f.txt":                   "file",
	"/s/../s/f.txt":              "file",
	"/s/%2e%2e/secret":           "app",
	"/s/..%2fsecret":             "400",
	"/s/../ng/a":                 "/pub/a",
	"/ng/../s/f.txt":             "file",
	"/ng/../livez":               "ok\n",
	"/%6civez":                   "ok\n",
	"/livez/..":                  "app",
}

// TestURLMountsCannotBeLeft: whatever the spelling of its path, a request reaches nothing
// of a server but what is below its mount.
func TestURLMountsCannotBeLeft(t *testing.T) {
	t.Parallel()
	behind := upstream(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.txt"), []byte("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, app("wsgi_probe:app", "sync", "--http-protocols", allVersions, "--protocol", "uwsgi", "--static", "/s="+dir,
		"--mount", "/ng="+behind.URL+"/pub", "--mount", "whole.example/="+behind.URL+"/pub")...)
	// seen is what an answer says of where it comes from.
	seen := func(t *testing.T, target string, status int, body string) string {
		t.Helper()
		path, _, _ := strings.Cut(target, "?")
		plain, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		var up struct{ Path string }
		switch {
		case status != http.StatusOK:
			return fmt.Sprint(status)
		case body == fmt.Sprintf("%x", plain): // the path as it came
			return "app"
		case json.Unmarshal([]byte(body), &up) == nil:
			return up.Path
		}
		return body
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			c := s.over(t, version)
			for target, want := range leavings {
				a := c.asIs("GET", target, nil)
				if got := seen(t, target, a.StatusCode, a.body); got != want {
					t.Errorf("%s: %s, want %s", target, got, want)
				}
			}
			for target, want := range map[string]string{"/../admin": "/pub/admin", "/..%2fadmin": "400", "/..%5cadmin": "400", "/%2e%2e/x": "/pub/x"} {
				a := c.asIs("GET", target, nil, "Host: whole.example")
				if got := seen(t, target, a.StatusCode, a.body); got != want {
					t.Errorf("%s of a host: %s, want %s", target, got, want)
				}
			}
		})
	}
	t.Run("absolute-form", func(t *testing.T) {
		for target, want := range leavings {
			if got := seen(t, target, 200, rawGet(t, s, s.over(t, "http"), "http://127.0.0.1"+target)); got != want && want != "400" {
				t.Errorf("%s: %s, want %s", target, got, want)
			}
		}
	})
	t.Run("uwsgi", func(t *testing.T) {
		for target, want := range leavings {
			status, body := askRaw(t, s.in(t).dial(), uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", target, "REMOTE_ADDR", "127.0.0.1", "HTTP_HOST", "x"))
			if want == "ok\n" {
				want = "app" // for who comes through a proxy
			}
			if got := seen(t, target, status, body); got != want {
				t.Errorf("%s: %s, want %s", target, got, want)
			}
		}
	})
	t.Run("WebSocket", func(t *testing.T) { mountedSockets(t, s) })
}

// mountedSockets are handshakes, and what the server gets of them.
func mountedSockets(t *testing.T, s *server) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			c := s.over(t, version)
			for target, want := range map[string]string{
				"/ng/chat?x": "/pub/chat?x", "/ng/a/%2e%2e/b": "/pub/b", "/x/../ng/b": "/pub/b",
				"/ng/../admin": "", "/ng/%2e%2e/admin": "", "/ng/..%2fadmin": "", "/ng/..%5cadmin": "", "/ng/..;/admin": "",
				"/ng/page": "", // which is answered 200
			} {
				w := c.shake(s, wstest.Head(target, "REMOTE_USER: root", "X_Forwarded_For: 1.1.1.1"))
				got, fields := w.Response.Header.Get("X-Path"), w.Response.Header.Get("X-Fields")
				opened := w.Response.StatusCode == 101 || w.Response.StatusCode == 200 && c.version != "1.1"
				if got != want || fields != "" || opened != (want != "") {
					t.Errorf("%s: %d, %s with %s; want %s", target, w.Response.StatusCode, got, fields, want)
				}
				if target == "/ng/page" && c.version != "1.1" && w.Response.StatusCode != http.StatusNotImplemented {
					t.Errorf("a page that is asked to be a tunnel: %d", w.Response.StatusCode)
				}
			}
		})
	}
}

// TestForgedFieldsStayOutside: fields that an environ cannot tell from those of proxies.
func TestForgedFieldsStayOutside(t *testing.T) {
	t.Parallel()
	behind := upstream(t)
	const nobody = "--forwarded-allow-ips=192.0.2.1" // is trusted of those who ask
	s := start(t, nobody, "--http-protocols", allVersions, "--python", python, "--chdir", appsDir, "--mount", "/ng="+behind.URL, "--mount", "/app=wsgi_probe:app")
	forged := []string{"REMOTE_USER: root", "SCRIPT_NAME: /admin", "X_Forwarded_For: 1.1.1.1", "Transfer_Encoding: chunked", "Content_Length: 5"}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			c := s.over(t, version)
			r := c.request("POST", "/ng/", io.MultiReader(strings.NewReader("content")), forged...)
			r.Trailer = http.Header{"Remote_User": {"root"}, "Checksum": {"42"}}
			a, err := c.try(r)
			if err != nil {
				t.Fatal(err)
			}
			got := decode[struct{ Fields, Trailers []string }](t, a)
			if len(got.Fields)+len(got.Trailers) > 0 {
				t.Errorf("server got %v", got)
			}
		})
	}
	environ := decode[map[string]any](t, s.over(t, "http").get("/app/environ", "REMOTE_USER: root", "SCRIPT_NAME: /x", "X_Forwarded_For: 1.1.1.1"))
	if environ["REMOTE_USER"] != nil || environ["SCRIPT_NAME"] != "/app" || environ["HTTP_X_FORWARDED_FOR"] != nil {
		t.Errorf("application got %v", environ)
	}
	dangerous := start(t, nobody, "--header-map", "dangerous", "--mount", "/ng="+behind.URL)
	if got := decode[struct{ Fields []string }](t, dangerous.over(t, "http").get("/ng/", forged...)); len(got.Fields) != 2 {
		t.Errorf("with header_map = dangerous server got %v", got.Fields)
	}
	refusing := start(t, nobody, "--header-map", "refuse", "--mount", "/ng="+behind.URL)
	refusing.over(t, "http").get("/ng/", forged...).want(t, 400)
}

// TestMountWhoseServerStalls: a response that does not go on is a reset, by every protocol.
func TestMountWhoseServerStalls(t *testing.T) {
	t.Parallel()
	behind := upstream(t)
	s := start(t, "--http-protocols", allVersions, "--mount", "/ng="+behind.URL+",timeout=1s")
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			c := s.over(t, version)
			a, err := c.try(c.request("GET", "/ng/stall", nil))
			if late := net.Error(nil); err == nil || errors.As(err, &late) && late.Timeout() { // it is the client that gave up
				t.Errorf("%d, %q, %v", a.StatusCode, a.body, err)
			}
		})
	}
	s.awaitLog(`does not go on with its response`)
}

// TestMountOfFewConnections: what a server gets at once has a bound, as has the time for
// which others wait.
func TestMountOfFewConnections(t *testing.T) {
	t.Parallel()
	behind := upstream(t)
	s := start(t, "--http-protocols", allVersions, "--mount", "/ng="+behind.URL+",timeout=1s,upstream-max-conns=1,queue-size=1", "--mount", "/free="+behind.URL)
	w := s.over(t, "h2").socket(s, "/ng/chat") // which has the one place for as long as it likes
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			a := s.over(t, version).get("/ng/x")
			a.want(t, 503)
			equal(t, "Retry-After", a.Header.Get("Retry-After"), "1")
			s.over(t, version).get("/free/x").want(t, 200)
		})
	}
	w.Conn.Close()
	s.eventually("the place is free again", func() bool { return s.over(t, "http").get("/ng/x").StatusCode == 200 })
	_, log, code := execute(t, "--mount", "/x=app:app,upstream-max-conns=1", "--check-config")
	if code != 2 {
		t.Errorf("a bound of connections for an application: %d\n%s", code, log)
	}
}
