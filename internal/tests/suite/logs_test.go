//go:build linux

package suite

import (
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// TestLogsNameRequests: whatever an application says, by whichever way and under
// whichever model, the log says about which request, and who logged it.
func TestLogsNameRequests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ app, model string }{
		{"says:wsgi", "sync"}, {"says:wsgi", "gthread"}, {"says:wsgi", "gevent"}, {"says:wsgi", "gtornado"}, {"says:wsgi", "tornado"},
		{"says:wsgi", "asgi"}, {"says:asgi", "asgi"}, {"says:native()", "tornado"}, {"says:native()", "gtornado"},
	} {
		t.Run(tc.app+" "+tc.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(tc.app, tc.model, "--access-logfile", "-")...)
			c := s.over(t, "http")
			said := []string{"printed for ", "told for ", "logged for ", "warned for "}
			if strings.HasSuffix(tc.app, ":wsgi") {
				said = append(said, "errors for ")
			}
			for range 3 {
				a := c.get("/")
				id := a.want(t, 200)
				equal(t, "the id in the response", a.Header.Get("X-Request-ID"), id)
				for _, text := range said {
					s.eventually(text, func() bool { return strings.Contains(s.log.text(), text+id) })
					line := lineWith(s.log.text(), text+id)
					contains(t, line, "request_id="+id)
					if text == "logged for " {
						contains(t, line, "[ERROR]")
						contains(t, line, "logger=says.words")
					}
				}
				s.eventually("the access log has it", func() bool {
					return strings.Contains(s.log.outText(), `HTTP/1.1" 200 32 "-" `) && strings.Contains(s.log.outText(), id)
				})
			}
		})
	}
}

func lineWith(log, text string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// TestLinesOfFailedRequests: a request that timed out, failed or lost its worker has
// its line, and its id is where the log says why.
func TestLinesOfFailedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, app("faults:app", "sync", "--timeout", "1", "--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(s)s %({outcome}x)s %({request_id}x)s")...)
	c := s.over(t, "http")

	g := newGate(t)
	a := s.hold(c, g).answer()
	a.want(t, 504)
	id := a.Header.Get("X-Request-ID")
	s.awaitLog(`(?m)^GET /hold 504 refused ` + id + `$`)
	s.awaitLog(`\[ERROR\] request timed out worker_number=1 method=GET path=/hold request_id=` + id)

	g = newGate(t)
	a = c.do("POST", "/die-once?entered="+url.QueryEscape(g.entered), nil)
	a.want(t, 502)
	s.awaitLog(`(?m)^POST /die-once 502 refused ` + a.Header.Get("X-Request-ID") + `$`)
}

// TestLastWordsAreOfNoRequest: what an application says at its end, and between requests,
// is not of the last one.
func TestLastWordsAreOfNoRequest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ app, model string }{
		{"lastwords:wsgi", "sync"}, {"lastwords:wsgi", "gthread"}, {"lastwords:wsgi", "gevent"}, {"lastwords:wsgi", "tornado"},
		{"lastwords:wsgi", "gtornado"}, {"lastwords:wsgi", "asgi"}, {"lastwords:asgi", "asgi"},
	} {
		t.Run(tc.app+" "+tc.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(tc.app, tc.model)...)
			s.over(t, "http").get("/").want(t, 200)
			s.awaitLog(`during a request.* request_id=`)
			s.signal(syscall.SIGTERM)
			equal(t, "exit status", s.wait(), 0)
			line := lineWith(s.log.text(), "at exit")
			if line == "" || strings.Contains(line, "request_id") {
				t.Errorf("the last words are %q", line)
			}
		})
	}
}
