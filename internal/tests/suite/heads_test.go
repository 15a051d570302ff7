//go:build linux

package suite

import (
	"fmt"
	"strings"
	"testing"
)

// TestResponseHeads: an application's response head that is larger than it may be is
// refused, with a line in the log; its worker goes on, and so do its other requests.
func TestResponseHeads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ app, model string }{
		{"heads:wsgi", "sync"}, {"heads:wsgi", "gthread"}, {"heads:wsgi", "gevent"}, {"heads:wsgi", "asgi"}, {"heads:wsgi", "tornado"},
		{"heads:wsgi", "gtornado"}, {"heads:asgi", "asgi"}, {"heads:native()", "tornado"}, {"heads:native()", "gtornado"},
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(test.app, test.model, "--limit-response-head", "20k", "--limit-request-fields", "5000")...)
			worker := fmt.Sprint(s.workers())
			for _, scheme := range []string{"http", "h2c"} {
				c := s.over(t, scheme)
				for path, status := range map[string]int{
					"/size?19000": 200, "/size?21000": 500, "/size?2000000": 500, "/size?17000000": 500,
					"/fields?900": 200, "/fields?1100": 500, "/fields?100000": 500,
					"/hints?3": 200, "/hints?101": 500, "/hints?3000": 500,
				} {
					if a := c.get(path); a.StatusCode != status {
						t.Errorf("%s over %s: %s, want %d", path, scheme, a.Status, status)
					}
				}
				equal(t, "the answer", c.get("/").want(t, 200), "whole")
			}
			equal(t, "the worker", fmt.Sprint(s.workers()), worker)
			contains(t, s.log.text(), "the head is longer than --limit-response-head allows", "there are too many interim responses")
		})
	}
}

// TestResponseHeadOfAMount: that of a server behind a URL mount is refused as one that has
// failed.
func TestResponseHeadOfAMount(t *testing.T) {
	t.Parallel()
	behind := start(t, app("heads:wsgi", "sync")...)
	s := start(t, "--limit-response-head", "20k", "--mount", "/behind=http://"+behind.addr+"/")
	c := s.over(t, "http")
	c.get("/behind/size?19000").want(t, 200)
	c.get("/behind/size?21000").want(t, 502)
	c.get("/behind/").want(t, 200)
	for _, value := range []string{"0", "9m"} {
		if _, log, code := execute(t, "--limit-response-head", value); code != 2 || !strings.Contains(log, "limit-response-head") {
			t.Errorf("%s: status %d\n%s", value, code, log)
		}
	}
}
