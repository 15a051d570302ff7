//go:build linux

package suite

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/asteri/asteri-loop/status"
)

// counting are the applications that count for themselves, under what runs them.
var counting = []struct{ app, model, route string }{
	{"metrics_app:flask()", "sync:2", "/leak/*"},
	{"metrics_app:flask()", "gthread:2", "/leak/*"},
	{"metrics_app:flask()", "gevent:2", "/leak/*"},
	{"metrics_app:flask()", "gtornado:2", "/leak/*"},
	{"metrics_app:fastapi()", "asgi:2", "/leak/{number}"},
}

// TestApplicationsCount adds up what two workers count, through their replacement, and
// names the route that makes them grow.
func TestApplicationsCount(t *testing.T) {
	t.Parallel()
	for _, tc := range counting {
		t.Run(tc.app+" "+tc.model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(tc.app, tc.model, "--status-token", "open-sesame-and-close")...)
			c := s.over(t, "http")
			greeted := 0
			s.eventually("both workers have greeted", func() bool {
				greeted += len(together(t, c, 8, "/greet/ali"))
				return metric(t, c, "shop_carts") == 4
			})
			s.eventually("all greetings are counted", func() bool {
				return metric(t, c, "shop_greeted_total", `name="ali"`) == float64(greeted)
			})
			equal(t, "orders", metric(t, c, "shop_order_items_count"), float64(greeted))
			equal(t, "orders of up to 5", metric(t, c, "shop_order_items_bucket", `le="5"`), float64(greeted))
			if oldest := metric(t, c, "shop_oldest_seconds"); oldest < 2 {
				t.Errorf("the greatest process id is %v", oldest)
			}
			// Their last words count: the reload comes within the second of these.
			c.get("/greet/budi").want(t, 200)
			greeted++
			s.signal(syscall.SIGHUP)
			s.eventually("the workers were replaced", func() bool {
				return metric(t, c, "asteri_workers_exited_total", `cause="finished"`) == 2
			})
			equal(t, "greetings", metric(t, c, "shop_greeted_total"), float64(greeted))
			equal(t, "names of the server's", metric(t, c, "asteri_application_metrics_dropped_total"), 0)
			contains(t, s.log.text(), "its name is the server's")
			growing(t, s, c, tc.route)
		})
	}
}

// growing has one route in two keep a MiB, and looks for it in the status document.
func growing(t *testing.T, s *server, c *client, route string) {
	t.Helper()
	number := 0
	s.eventually("the route is blamed", func() bool {
		for range 20 {
			c.get("/pid").want(t, 200)
			c.get(fmt.Sprint("/leak/", number)).want(t, 200)
			number++
		}
		answer := c.get("/asteri-status.json", "Authorization: Bearer open-sesame-and-close")
		var doc status.Report
		if err := json.Unmarshal([]byte(answer.want(t, 200)), &doc); err != nil {
			t.Fatal(err)
		}
		grown, other := int64(0), int64(0)
		for _, m := range doc.Memory {
			switch m.Route {
			case route:
				grown += m.Grown
			case "/pid":
				other += m.Grown
			}
		}
		return grown > 2<<20 && grown > 4*other
	})
	if strings.Contains(c.get("/asteri-status.json").want(t, 200), "/leak") {
		t.Error("routes are for who has the token")
	}
}

// TestMetricsOfMountedApplications tells the same metric of two applications apart.
func TestMetricsOfMountedApplications(t *testing.T) {
	t.Parallel()
	s := start(t, app("metrics_app:flask()", "sync", "--mount", "/api=metrics_app:fastapi()")...)
	c := s.over(t, "http")
	c.get("/greet/ali").want(t, 200)
	c.get("/api/greet/budi").want(t, 200)
	c.get("/api/greet/budi").want(t, 200)
	s.eventually("both have told", func() bool { return metric(t, c, "shop_greeted_total") == 3 })
	text := c.get("/metrics").want(t, http.StatusOK)
	for _, line := range []string{
		"# HELP shop_greeted_total People greeted.\n# TYPE shop_greeted_total counter\n",
		"\nshop_greeted_total{name=\"ali\"} 1\n", "\nshop_greeted_total{app=\"/api\",name=\"budi\"} 2\n",
		"\nshop_order_items_bucket{app=\"/api\",le=\"5\"} 2\n",
	} {
		contains(t, text, line)
	}
}

// TestMetricsOfApplicationsToStatsd sends labels as tags.
func TestMetricsOfApplicationsToStatsd(t *testing.T) {
	t.Parallel()
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	s := start(t, app("metrics_app:flask()", "sync", "--statsd-host", at.LocalAddr().String(), "--dogstatsd-tags", "env:test")...)
	s.over(t, "http").get("/greet/ali").want(t, 200)
	want := map[string]bool{
		"shop_greeted_total:1|c|#env:test,name:ali": true, "shop_carts:2|g|#env:test": true,
		"shop_order_items.count:1|c|#env:test": true, "shop_order_items.sum:3|c|#env:test": true,
	}
	wantDatagrams(t, at, want)
}
