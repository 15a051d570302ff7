//go:build linux

package suite

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// metric returns the sum of the series of a metric whose labels have all of parts.
func metric(t testing.TB, c *client, name string, parts ...string) (sum float64) {
	t.Helper()
	text := c.get("/metrics").want(t, http.StatusOK)
	for _, series := range regexp.MustCompile(`(?m)^`+name+`(\{.*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(series[1], part)
		}
		if all {
			value, err := strconv.ParseFloat(series[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += value
		}
	}
	return sum
}

// TestMetricsWhileWorkersHang scrapes a server all of whose workers hang, and sees
// them, what waits, and what becomes of it. The counts outlive the workers.
func TestMetricsWhileWorkersHang(t *testing.T) {
	const limit = 8 * time.Second // for requests, and for their wait for a worker
	s := start(t, app("faults:app", "sync:2", "-t", limit.String())...)
	c := s.over(t, "http")
	entered := filepath.Join(t.TempDir(), "entered")
	for range 2 {
		go c.try(c.request("GET", "/deaf?entered="+entered, nil))
	}
	s.eventually("both workers hang", func() bool { return metric(t, c, "asteri_workers", `state="busy"`) == 2 })
	hanging := time.Now()
	// So that the third still waits when their successors are ready.
	s.eventually("they hang for a while", func() bool { return time.Since(hanging) > limit/2 })
	go c.try(c.request("GET", "/pid", nil))
	s.eventually("a third request waits", func() bool { return metric(t, c, "asteri_requests_in_flight") == 3 })
	s.eventually("both have timed out", func() bool { return metric(t, c, "asteri_request_timeouts_total") == 2 })
	s.eventually("both workers were replaced", func() bool {
		return metric(t, c, "asteri_workers_exited_total", `cause="timeout"`) == 2 && metric(t, c, "asteri_workers", `state="idle"`) == 2
	})
	equal(t, "requests that were answered 504", metric(t, c, "asteri_requests_refused_total", `status="504"`), 2)
	equal(t, "responses 5xx", metric(t, c, "asteri_requests_total", `model="sync"`, `status_class="5xx"`, `protocol="HTTP/1.1"`), 2)
	s.eventually("the third was answered", func() bool {
		return metric(t, c, "asteri_requests_total", `model="sync"`, `status_class="2xx"`) == 1
	})
	if waited := metric(t, c, "asteri_request_queue_seconds_sum", `status_class="2xx"`); waited < 1 {
		t.Errorf("the third request waited %v s", waited)
	}
	if hung := metric(t, c, "asteri_request_application_seconds_sum", `status_class="5xx"`); hung < 2*limit.Seconds()-1 {
		t.Errorf("two requests had %v each, counted were %v s", limit, hung)
	}
}

// TestMetricsOfMounts tells applications apart, and leaves the path to them where it
// is not the server's.
func TestMetricsOfMounts(t *testing.T) {
	s := start(t, app("wsgi_probe:app", "sync", "--mount", "/api=asgi_probe:app", "--metrics-path", "/-/numbers")...)
	c := s.over(t, "http")
	c.get("/api/")
	c.get("/api/")
	c.get("/")
	text := c.get("/-/numbers").want(t, http.StatusOK)
	for _, series := range []string{
		`asteri_requests_total{app="/api",method="GET",model="asgi",protocol="HTTP/1.1",status_class="`,
		`asteri_requests_total{app="",method="GET",model="sync",protocol="HTTP/1.1",status_class="`,
		`asteri_workers{app="/api",model="asgi",state="idle"} `,
		`asteri_queue_capacity{app="/api"} `,
	} {
		if !strings.Contains(text, series) {
			t.Errorf("there is no %s in\n%s", series, text)
		}
	}
}

// TestStatsd takes what the server sends.
func TestStatsd(t *testing.T) {
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	s := start(t, app("faults:app", "sync:2", "--statsd-host", at.LocalAddr().String(), "--statsd-prefix", "shop", "--dogstatsd-tags", "env:test")...)
	s.over(t, "http").get("/pid")
	want := map[string]bool{
		"shop.gunicorn.requests:1|c|#env:test": true, "shop.gunicorn.request.status.200:1|c|#env:test": true,
		"shop.gunicorn.workers:2|g|#env:test": true, "shop.gunicorn.request.duration": true,
	}
	wantDatagrams(t, at, want)
}

func TestMetricsCanBeSwitchedOff(t *testing.T) {
	s := start(t, app("flask_app:app", "sync", "--disable-metrics")...)
	s.over(t, "http").get("/metrics").want(t, http.StatusNotFound)
}

// wantDatagrams reads StatsD's lines until all that are wanted have come, whole or by
// their name.
func wantDatagrams(t *testing.T, at net.PacketConn, want map[string]bool) {
	t.Helper()
	buf := make([]byte, 64<<10)
	_ = at.SetReadDeadline(time.Now().Add(patience))
	for len(want) > 0 {
		n, _, err := at.ReadFrom(buf)
		if err != nil {
			t.Fatalf("%v; never came: %v", err, want)
		}
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			delete(want, line)
			if name, _, _ := strings.Cut(line, ":"); want[name] {
				delete(want, name)
			}
		}
	}
}

// TestWhatIsCounted: whatever the protocol, a request counts once, by the status that it
// got, and content counts that was sent.
func TestWhatIsCounted(t *testing.T) {
	s := start(t, app("counted:app", "sync", "--http-protocols", "h1", "--http-protocols", "h2", "--http-protocols", "h3",
		"--protocols", "http", "--protocols", "https", "--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(H)s %(s)s %(B)s %({outcome}x)s")...)
	plain := s.over(t, "http")
	for scheme, protocol := range map[string]string{"http": "HTTP/1.1", "h2": "HTTP/2", "h3": "HTTP/3"} {
		c := s.over(t, scheme)
		for _, test := range []struct {
			method, path string
			content      int
		}{{"GET", "/200", 1000}, {"HEAD", "/200", 0}, {"GET", "/204", 0}, {"GET", "/304", 0}, {"GET", "/404", 1000}, {"GET", "/503", 1000}, {"HEAD", "/503", 0}} {
			if _, err := c.try(c.request(test.method, test.path, nil)); err != nil {
				t.Fatalf("%s %s over %s: %v", test.method, test.path, scheme, err)
			}
			s.awaitLog(fmt.Sprintf(`(?m)^%s %s %s %s %d ok$`, test.method, test.path, regexp.QuoteMeta(protocol), test.path[1:], test.content))
		}
		of := `protocol="` + protocol + `"`
		for class, want := range map[string]float64{"2xx": 3, "3xx": 1, "4xx": 1, "5xx": 2, "none": 0} {
			equal(t, protocol+" "+class, metric(t, plain, "asteri_requests_total", `app=""`, of, `status_class="`+class+`"`), want)
		}
		equal(t, protocol+" HEAD", metric(t, plain, "asteri_requests_total", `app=""`, of, `method="HEAD"`), 2)
		equal(t, protocol+": content", metric(t, plain, "asteri_response_body_bytes_total", `app=""`, of), 3000)
		if sent := metric(t, plain, "asteri_sent_bytes_total", `app=""`, of); sent <= 3000 || sent > 3000+7*500 {
			t.Errorf("%s: %v bytes sent", protocol, sent)
		}
	}
	equal(t, "requests that did not end cleanly", metric(t, plain, "asteri_requests_unclean_total"), 0)
}
