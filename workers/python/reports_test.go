package python

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop/internal/logtest"
	"github.com/asteri/asteri-loop/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// metricRow is a metric as METRICS frames have it.
func metricRow(name, kind string, labels []any, detail any, series ...any) []any {
	return []any{name, kind, "Help.", labels, detail, series}
}

func update(value any, labels ...any) []any { return []any{append([]any{}, labels...), value} }

// report merges metrics of a worker, and fails the test if that is refused.
func (m *appMetrics) report(t *testing.T, w *worker, metrics ...any) {
	t.Helper()
	if err := m.merge(w, []any{metrics, int64(0), int64(0)}); err != nil {
		t.Fatal(err)
	}
}

// shown writes what is gathered in one line for each series.
func shown(m *appMetrics) string {
	var b strings.Builder
	for _, f := range m.gather() {
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

func TestMetricsOfWorkersAreMerged(t *testing.T) {
	m := &appMetrics{log: new(logtest.Text).Logger()}
	a, b := new(worker), new(worker)
	none := []any{}
	for w, v := range map[*worker]float64{a: 2, b: 5} {
		m.report(t, w,
			metricRow("orders_total", "counter", []any{"z", "a"}, "", update(v, "one", "two")),
			metricRow("sum", "gauge", none, "sum", update(v)), metricRow("max", "gauge", none, "max", update(v)),
			metricRow("min", "gauge", none, "min", update(v)),
			metricRow("sizes", "histogram", none, []any{1.0, 2.0}, update([]any{v, []any{int64(1), int64(0), int64(2)}})))
	}
	m.report(t, a, metricRow("latest", "gauge", none, "latest", update(3.0)))
	want := "latest 3\nmax 5\nmin 2\norders_total a=two z=one 7\nsizes 7 of 6 1:2 2:2\nsum 7\n"
	if got := shown(m); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// A worker that ends takes what it had of gauges with it, and nothing else.
	m.forget(b)
	want = "latest 3\nmax 2\nmin 2\norders_total a=two z=one 7\nsizes 7 of 6 1:2 2:2\nsum 2\n"
	if got := shown(m); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	m.forget(a)
	if got := shown(m); got != "latest 3\norders_total a=two z=one 7\nsizes 7 of 6 1:2 2:2\n" {
		t.Error(got)
	}
}

// Code that was loaded later may define a metric anew; what older workers still say of
// it is dropped.
func TestMetricsAreDefinedAnew(t *testing.T) {
	log := new(logtest.Text)
	m := &appMetrics{log: log.Logger()}
	old, young := &worker{generation: 1}, &worker{generation: 2}
	before := metricRow("orders_total", "counter", []any{}, "", update(1.0))
	m.report(t, old, before)
	m.report(t, young, metricRow("orders_total", "counter", []any{"country"}, "", update(1.0, "id")))
	m.report(t, old, before)
	m.report(t, old, before)
	if got := shown(m); got != "orders_total country=id 1\n" || m.series != 1 {
		t.Errorf("%s, %d series", got, m.series)
	}
	if m.drops()["definition"] != 2 || strings.Count(log.String(), "defines it differently") != 1 {
		t.Errorf("%v\n%s", m.drops(), log)
	}
}

// Whatever a worker says, what is kept and shown is bounded and in order.
func TestMetricsAreBounded(t *testing.T) {
	m := &appMetrics{log: new(logtest.Text).Logger()}
	w := new(worker)
	none := []any{}
	long := strings.Repeat("\u00e9", maxMetricValue)
	m.report(t, w,
		metricRow("caf\u00e9", "counter", none, "", update(1.0)), metricRow("", "counter", none, "", update(1.0)),
		metricRow(strings.Repeat("x", 101), "counter", none, "", update(1.0)), metricRow("a", "summary", none, "", update(1.0)),
		metricRow("a", "gauge", none, "mean", update(1.0)), metricRow("a", "histogram", none, []any{2.0, 1.0}, update(1.0)),
		metricRow("a", "counter", []any{"app"}, "", update(1.0, "x")), metricRow("a", "counter", []any{"b", "b"}, "", update(1.0, "x", "y")),
		metricRow("a", "counter", []any{"__b"}, "", update(1.0, "x")),
		// Good ones, with updates that are not.
		metricRow("c_total", "counter", none, "", update(-1.0), update(math.NaN()), update(math.Inf(1)), update("1"), update(1.0, "label"), "odd"),
		metricRow("h", "histogram", none, []any{1.0}, update([]any{1.0, []any{int64(1)}}), update([]any{1.0, []any{int64(-1), int64(1)}}),
			update([]any{math.NaN(), []any{int64(1), int64(1)}}), update([]any{math.MaxFloat64, []any{int64(1), int64(1)}}), update([]any{math.MaxFloat64, []any{int64(1), int64(1)}})),
		metricRow("odd_total", "counter", []any{"l"}, "", update(1.0, "\xff"+long)),
	)
	if got, want := m.drops()["invalid"], uint64(9+6+4); got != want {
		t.Errorf("%d dropped, want %d", got, want)
	}
	got := shown(m)
	if !strings.HasPrefix(got, "h 1.7976931348623157e+308 of 2 1:1\nodd_total l=\uFFFD\u00e9") || len(got) > 2*maxMetricValue {
		t.Errorf("%.200s", got)
	}
	for n := range maxAppMetrics + 10 {
		m.report(t, w, metricRow(fmt.Sprintf("m%d", n), "counter", none, "", update(1.0)))
	}
	if len(m.families) != maxAppMetrics || m.drops()["metrics"] != 13 {
		t.Errorf("%d metrics, dropped %v", len(m.families), m.drops())
	}
	for n := range maxAppSeries {
		m.report(t, w, metricRow("odd_total", "counter", []any{"l"}, "", update(1.0, fmt.Sprint(n))))
	}
	if m.series != maxAppSeries || m.drops()["series"] == 0 {
		t.Errorf("%d series, dropped %v", m.series, m.drops())
	}
}

// What a worker has dropped itself is counted by its reason.
func TestMetricsThatWorkersDrop(t *testing.T) {
	m := &appMetrics{log: new(logtest.Text).Logger()}
	if err := m.merge(new(worker), []any{[]any{}, int64(2), int64(3)}); err != nil {
		t.Fatal(err)
	}
	if d := m.drops(); d["series"] != 2 || d["invalid"] != 3 {
		t.Errorf("dropped %v", d)
	}
}

// What no shim sends ends the worker.
func TestReportsOfTheWrongShape(t *testing.T) {
	m, r := &appMetrics{log: new(logtest.Text).Logger()}, new(routes)
	for _, frame := range []any{nil, int64(1), []any{}, []any{[]any{}, int64(0)},
		[]any{[]any{}, "0", int64(0)}, []any{[]any{}, int64(0), "0"}, []any{[]any{}, int64(-1), int64(0)}, []any{[]any{}, int64(0), int64(-1)},
		[]any{[]any{int64(1)}, int64(0), int64(0)}, []any{[]any{make([]any, 6)}, int64(0), int64(0)}} {
		var v wire.Violation
		if err := m.merge(new(worker), frame); !errors.As(err, &v) {
			t.Errorf("METRICS %v: %v", frame, err)
		}
	}
	for _, frame := range []any{nil, int64(1), []any{int64(1)}, []any{make([]any, 5)}, []any{[]any{"GET", "/", int64(1), int64(math.MaxInt64), int64(0)}}} {
		var v wire.Violation
		if err := r.merge(new(worker), frame); !errors.As(err, &v) {
			t.Errorf("MEMORY %v: %v", frame, err)
		}
	}
}

func TestRoutesAreSummedUp(t *testing.T) {
	r := new(routes)
	old, young := &worker{generation: 1}, &worker{generation: 2}
	row := func(route string, n ...int64) []any { return []any{"GET", route, n[0], n[1], n[2]} }
	report := func(w *worker, rows ...any) {
		t.Helper()
		if err := r.merge(w, rows); err != nil {
			t.Fatal(err)
		}
	}
	report(old, row("/gone", 1, 1, 1))
	report(young, row("/a", 2, 100, 80), row("/b", 3, 500, 500), row("/still", 9, 0, 0))
	report(young, row("/a", 1, -50, 0), row("/b", 1, 0, 0))
	report(old, row("/gone", 1, 1, 1))
	want := []RouteMemory{{"GET", "/b", 4, 500, 500}, {"GET", "/a", 3, 50, 80}}
	if got := r.list(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for n := range 2 * maxRoutes {
		report(young, row(fmt.Sprint("/", n), 1, 1, 1))
	}
	if got := r.list(); len(got) != maxRoutes+1 || got[1] != (RouteMemory{"", "other", maxRoutes + 2, maxRoutes + 2, 1}) {
		t.Errorf("%d routes; %v", len(got), got[:2])
	}
}

// FuzzReports feeds what workers report. What is shown of it stays in order.
func FuzzReports(f *testing.F) {
	f.Add(wiretest.Frame(wire.FrameMetrics, 0, 0, []any{wiretest.List{[]any{"a_total", "counter", "", []any{"l"}, "", wiretest.List{[]any{[]any{"v"}, 1}}}}, 0, 0})[wire.HeaderLen:])
	f.Add(wiretest.Frame(wire.FrameMemory, 0, 0, wiretest.List{[]any{"GET", "/", 1, 2, 3}})[wire.HeaderLen:])
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := marshal.Decode(data)
		if err != nil {
			return
		}
		m, r := &appMetrics{log: new(logtest.Text).Logger()}, new(routes)
		for range 2 {
			_ = m.merge(new(worker), v)
			_ = r.merge(new(worker), v)
		}
		for _, family := range m.gather() {
			if !isName(family.GetName(), true) {
				t.Errorf("%q", family.GetName())
			}
			for _, one := range family.Metric {
				if h := one.Histogram; h != nil && h.Bucket[len(h.Bucket)-1].GetCumulativeCount() > h.GetSampleCount() {
					t.Errorf("%v", h)
				}
			}
		}
		r.list()
	})
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
		eventually(t, what, func() bool { return strings.Contains(shown(&s.pool.metrics), what) })
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
	eventually(t, "gauges are without those that have ended", func() bool { return !strings.Contains(shown(&s.pool.metrics), "workers") })
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
