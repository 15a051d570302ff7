package report

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// metricRow is a metric as METRICS frames have it.
func metricRow(name, kind string, labels []any, detail any, series ...any) []any {
	return []any{name, kind, "Help.", labels, detail, series}
}

func update(value any, labels ...any) []any { return []any{append([]any{}, labels...), value} }

// report merges metrics of a worker, and fails the test if that is refused.
func (m *Metrics) report(t *testing.T, w *Worker, metrics ...any) {
	t.Helper()
	if err := m.Merge(w, []any{metrics, int64(0), int64(0)}); err != nil {
		t.Fatal(err)
	}
}

// shown writes what is gathered in one line for each series.
func shown(m *Metrics) string {
	var b strings.Builder
	for _, f := range m.Gather() {
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
	m := NewMetrics(new(logtest.Text).Logger())
	a, b := new(Worker), new(Worker)
	none := []any{}
	for w, v := range map[*Worker]float64{a: 2, b: 5} {
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
	m.Forget(b)
	want = "latest 3\nmax 2\nmin 2\norders_total a=two z=one 7\nsizes 7 of 6 1:2 2:2\nsum 2\n"
	if got := shown(m); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	m.Forget(a)
	if got := shown(m); got != "latest 3\norders_total a=two z=one 7\nsizes 7 of 6 1:2 2:2\n" {
		t.Error(got)
	}
}

// Code that was loaded later may define a metric anew; what older workers still say of
// it is dropped.
func TestMetricsAreDefinedAnew(t *testing.T) {
	log := new(logtest.Text)
	m := NewMetrics(log.Logger())
	old, young := &Worker{Generation: 1}, &Worker{Generation: 2}
	before := metricRow("orders_total", "counter", []any{}, "", update(1.0))
	m.report(t, old, before)
	m.report(t, young, metricRow("orders_total", "counter", []any{"country"}, "", update(1.0, "id")))
	m.report(t, old, before)
	m.report(t, old, before)
	if got := shown(m); got != "orders_total country=id 1\n" || m.series != 1 {
		t.Errorf("%s, %d series", got, m.series)
	}
	if m.Drops()["definition"] != 2 || strings.Count(log.String(), "defines it differently") != 1 {
		t.Errorf("%v\n%s", m.Drops(), log)
	}
}

// Whatever a worker says, what is kept and shown is bounded and in order.
func TestMetricsAreBounded(t *testing.T) {
	m := NewMetrics(new(logtest.Text).Logger())
	w := new(Worker)
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
	if got, want := m.Drops()["invalid"], uint64(9+6+4); got != want {
		t.Errorf("%d dropped, want %d", got, want)
	}
	got := shown(m)
	if !strings.HasPrefix(got, "h 1.7976931348623157e+308 of 2 1:1\nodd_total l=\uFFFD\u00e9") || len(got) > 2*maxMetricValue {
		t.Errorf("%.200s", got)
	}
	for n := range maxAppMetrics + 10 {
		m.report(t, w, metricRow(fmt.Sprintf("m%d", n), "counter", none, "", update(1.0)))
	}
	if len(m.families) != maxAppMetrics || m.Drops()["metrics"] != 13 {
		t.Errorf("%d metrics, dropped %v", len(m.families), m.Drops())
	}
	for n := range maxAppSeries {
		m.report(t, w, metricRow("odd_total", "counter", []any{"l"}, "", update(1.0, fmt.Sprint(n))))
	}
	if m.series != maxAppSeries || m.Drops()["series"] == 0 {
		t.Errorf("%d series, dropped %v", m.series, m.Drops())
	}
}

// What a worker has dropped itself is counted by its reason.
func TestMetricsThatWorkersDrop(t *testing.T) {
	m := NewMetrics(new(logtest.Text).Logger())
	if err := m.Merge(new(Worker), []any{[]any{}, int64(2), int64(3)}); err != nil {
		t.Fatal(err)
	}
	if d := m.Drops(); d["series"] != 2 || d["invalid"] != 3 {
		t.Errorf("dropped %v", d)
	}
}

// What no shim sends ends the worker.
func TestReportsOfTheWrongShape(t *testing.T) {
	m, r := NewMetrics(new(logtest.Text).Logger()), new(Routes)
	for _, frame := range []any{nil, int64(1), []any{}, []any{[]any{}, int64(0)},
		[]any{[]any{}, "0", int64(0)}, []any{[]any{}, int64(0), "0"}, []any{[]any{}, int64(-1), int64(0)}, []any{[]any{}, int64(0), int64(-1)},
		[]any{[]any{int64(1)}, int64(0), int64(0)}, []any{[]any{make([]any, 6)}, int64(0), int64(0)}} {
		var v wire.Violation
		if err := m.Merge(new(Worker), frame); !errors.As(err, &v) {
			t.Errorf("METRICS %v: %v", frame, err)
		}
	}
	for _, frame := range []any{nil, int64(1), []any{int64(1)}, []any{make([]any, 5)}, []any{[]any{"GET", "/", int64(1), int64(math.MaxInt64), int64(0)}}} {
		var v wire.Violation
		if err := r.Merge(new(Worker), frame); !errors.As(err, &v) {
			t.Errorf("MEMORY %v: %v", frame, err)
		}
	}
}

func TestRoutesAreSummedUp(t *testing.T) {
	r := new(Routes)
	old, young := &Worker{Generation: 1}, &Worker{Generation: 2}
	row := func(route string, n ...int64) []any { return []any{"GET", route, n[0], n[1], n[2]} }
	report := func(w *Worker, rows ...any) {
		t.Helper()
		if err := r.Merge(w, rows); err != nil {
			t.Fatal(err)
		}
	}
	report(old, row("/gone", 1, 1, 1))
	report(young, row("/a", 2, 100, 80), row("/b", 3, 500, 500), row("/still", 9, 0, 0))
	report(young, row("/a", 1, -50, 0), row("/b", 1, 0, 0))
	report(old, row("/gone", 1, 1, 1))
	want := []Route{{"GET", "/b", 4, 500, 500}, {"GET", "/a", 3, 50, 80}}
	if got := r.List(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for n := range 2 * maxRoutes {
		report(young, row(fmt.Sprint("/", n), 1, 1, 1))
	}
	if got := r.List(); len(got) != maxRoutes+1 || got[1] != (Route{"", "other", maxRoutes + 2, maxRoutes + 2, 1}) {
		t.Errorf("%d Routes; %v", len(got), got[:2])
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
		m, r := NewMetrics(new(logtest.Text).Logger()), new(Routes)
		for range 2 {
			_ = m.Merge(new(Worker), v)
			_ = r.Merge(new(Worker), v)
		}
		for _, family := range m.Gather() {
			if !isName(family.GetName(), true) {
				t.Errorf("%q", family.GetName())
			}
			for _, one := range family.Metric {
				if h := one.Histogram; h != nil && h.Bucket[len(h.Bucket)-1].GetCumulativeCount() > h.GetSampleCount() {
					t.Errorf("%v", h)
				}
			}
		}
		r.List()
	})
}
