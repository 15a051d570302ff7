//go:build linux

package suite

import (
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// TestUgly: one request costs itself, and no worker, thread or task beside it, whatever its
// exception, head or status is.
func TestUgly(t *testing.T) {
	t.Parallel()
	apps := map[string]string{"tornado": "ugly:make_tornado()", "gtornado": "ugly:make_tornado()", "asgi": "ugly:asgi"}
	for _, model := range []string{"sync", "gthread", "gevent", "asgi", "tornado", "gtornado"} {
		test := func(name, target string) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := start(t, app(target, model, "--threads", "1", "--timeout", "5m")...)
				c := s.over(t, "http")
				first := c.get("/pid").want(t, 200)
				for _, name := range strings.Fields(c.get("/names").want(t, 200)) {
					a, err := c.try(c.request("GET", "/"+name, nil))
					if err == nil && (a.StatusCode == 502 || a.StatusCode == 504) {
						t.Errorf("%s: %s", name, a.Status)
					}
					if pid := c.get("/pid").want(t, 200); pid != first {
						t.Fatalf("%s: the worker %s is gone, %s answers", name, first, pid)
					}
				}
				if target == "ugly:asgi" {
					uglySockets(s, c)
					equal(t, "the worker that answers", c.get("/pid").want(t, 200), first)
				}
			})
		}
		if apps[model] != "" {
			test(model+" native", apps[model])
		}
		test(model, "ugly:app")
	}
}

// uglySockets does the same with WebSockets.
func uglySockets(s *server, c *client) {
	for _, path := range []string{"/big", "/wide", "/Mute", "/Own", "/GeneratorExit", "/recursion", "/code", "/reason"} {
		w := c.socket(s, path)
		if next := w.Next(); !strings.HasPrefix(next, "close 1") {
			c.t.Errorf("%s: %s", path, next)
		}
		w = c.shake(s, wstest.Head(path+"?refuse"))
		if code := w.Response.StatusCode; code != 500 && code != 403 {
			c.t.Errorf("%s, refused: status %d", path, code)
		}
	}
	for _, path := range []string{"/large-field", "/list-field", "/none-field", "/many", "/words"} {
		w := c.shake(s, wstest.Head(path))
		if code := w.Response.StatusCode; code != 500 && code != 101 {
			c.t.Errorf("%s: status %d", path, code)
		}
		if w.Response.StatusCode == 101 {
			w.Close(ws.NormalClosure, "")
		}
	}
}
