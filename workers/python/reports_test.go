package python

import (
	"fmt"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// shown writes what is gathered in one line for each series.
func shown(p *Pool) string {
	var b strings.Builder
	all, _ := p.Gather()
	for _, f := range all {
		for _, one := range f.Metric {
			b.WriteString(f.GetName())
			for _, l := range one.Label {
				fmt.Fprintf(&b, " %s=%s", l.GetName(), l.GetValue())
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				fmt.Fprintf(&b, " %v\n", one.Counter.GetValue())
			case dto.MetricType_GAUGE:
				fmt.Fprintf(&b, " %v\n", one.Gauge.GetValue())
			default:
				h := one.Histogram
				fmt.Fprintf(&b, " %v of %d", h.GetSampleSum(), h.GetSampleCount())
				for _, bucket := range h.Bucket {
					fmt.Fprintf(&b, " %v:%d", bucket.GetUpperBound(), bucket.GetCumulativeCount())
				}
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

const countingApp = `
import atexit, os, time
from asteri_metrics import Counter, Gauge

CALLS = Counter("calls_total", "Calls.", ["path"])
WORKERS = Gauge("workers", "Workers that have served.")
ENDED = Counter("ended_total", "Workers that have ended.")
KEPT = []

@atexit.register
def end():
    time.sleep(0.2)  # the front leaves an application the time for this
    ENDED.inc()

def app(environ, start_response):
    CALLS.labels(environ["PATH_INFO"]).inc()
    WORKERS.set(1)
    if environ["PATH_INFO"] == "/leak":
        KEPT.append(bytearray(b"x") * (4 << 20))
    if environ["PATH_INFO"] == "/die":
        os.kill(os.getpid(), 9)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
`

// Counters go on over the workers that come and go, and what a worker counted last is
// there when it has ended.
func TestMetricsOutliveWorkers(t *testing.T) {
	s := serveApp(t, countingApp, Config{Workers: 2})
	has := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(shown(s.pool), what) })
	}
	eventually(t, "two workers are ready", func() bool { return len(s.idle()) == 2 })
	seen := map[string]bool{}
	calls := 0
	for ; len(seen) < 2; calls++ {
		seen[string(s.get("/a").body)] = true
	}
	has(fmt.Sprintf("calls_total path=/a %d\n", calls))
	has("workers 2\n")
	before := s.idle()
	s.expect(s.get("/a"), 200, "") // of which the worker has not told when it is to end
	calls++
	for _, pid := range before {
		if err := s.pool.Restart(pid); err != nil {
			t.Fatal(err)
		}
	}
	has("ended_total 2\n")
	has(fmt.Sprintf("calls_total path=/a %d\n", calls))
	eventually(t, "gauges are without those that have ended", func() bool { return !strings.Contains(shown(s.pool), "workers") })
	s.do("POST", "/die", nil)
	s.expect(s.get("/a"), 200, "")
	has(fmt.Sprintf("calls_total path=/a %d\n", calls+1))
	for range 5 {
		s.expect(s.get("/leak"), 200, "")
	}
	eventually(t, "the route that grows is known", func() bool {
		all := s.pool.Memory()
		return len(all) > 0 && all[0].Route == "/leak" && all[0].Grown > 16<<20 && all[0].Most > 3<<20
	})
}

// idle returns the processes that serve.
func (s *server) idle() (pids []int) {
	for _, w := range s.pool.Snapshot().Workers {
		if w.State == "IDLE" {
			pids = append(pids, w.PID)
		}
	}
	return pids
}
