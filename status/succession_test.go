package status

import (
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// counted is a monitor that has seen n requests, each of which took a while.
func counted(t *testing.T, n int, took time.Duration) *Monitor {
	t.Helper()
	e := exchangetest.NewExecutor(t)
	m := New(Options{
		MetricsPath: DefaultMetricsPath, Homes: []asteri.Executor{e},
		Report: func() Report {
			return Report{
				Loops: []Loop{{Accepted: uint64(n)}}, WebSockets: &WebSockets{Open: 1, Opened: uint64(n)},
				Workers: []Worker{{PID: 1000 + n, Served: uint64(n)}}, Refused: map[string]uint64{"address": uint64(n)},
			}
		},
	})
	t.Cleanup(m.Close)
	x := query{method: "GET", target: "/"}.exchange(t, e)
	for range n {
		m.counts.ExchangeDone(&asteri.Record{Request: x.Request(), Peer: x.Request().Peer, Home: e, Status: 200, Duration: took, BytesSent: 10})
	}
	m.samples.sample(m.samples.total(time.Now()), 0)
	return m
}

// series returns the metrics of a family.
func series(t *testing.T, m *Monitor, name string) []*dto.Metric {
	t.Helper()
	families, err := m.metrics.gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return families[i].Metric
}

// TestCountsGoOn: three processes, one behind the other, of which each has its own.
func TestCountsGoOn(t *testing.T) {
	first, second, third := counted(t, 5, time.Millisecond), counted(t, 7, time.Second), counted(t, 11, time.Hour)
	for range 2 { // what is said again replaces what was said
		if err := second.Inherit(first.Totals()); err != nil {
			t.Fatal(err)
		}
	}
	if err := third.Inherit(second.Totals()); err != nil {
		t.Fatal(err)
	}
	const all = 5 + 7 + 11
	if m := series(t, third, "asteri_requests_total"); len(m) != 1 || m[0].Counter.GetValue() != all {
		t.Errorf("requests: %v", m)
	}
	h := series(t, third, "asteri_request_duration_seconds")[0].Histogram
	if h.GetSampleCount() != all || h.GetSampleSum() < 11*3600 {
		t.Errorf("%d durations, in all %f s", h.GetSampleCount(), h.GetSampleSum())
	}
	if last := h.Bucket[len(h.Bucket)-1]; last.GetCumulativeCount() != 12 { // an hour is beyond
		t.Errorf("the last bucket has %d", last.GetCumulativeCount())
	}
	native := nativeBuckets(h)
	sum := uint64(0)
	for _, n := range native {
		sum += n
	}
	if len(native) != 3 || sum != all {
		t.Errorf("native buckets: %v", native)
	}
	if m := series(t, third, "asteri_worker_requests_total"); len(m) != 1 || m[0].Counter.GetValue() != 11 {
		t.Errorf("workers of processes that have ended are shown: %v", m)
	}
	if m := series(t, third, "asteri_websockets"); m[0].Gauge.GetValue() != 1 {
		t.Errorf("a gauge goes on: %v", m)
	}
	doc := third.Document()
	if doc.Traffic.All.Requests != all || doc.Traffic.All.BytesSent != 10*all || doc.Traffic.Protocols[0].Requests != all ||
		doc.Loops[0].Accepted != all || doc.WebSockets.Opened != all || doc.WebSockets.Open != 1 || doc.Refused["address"] != all {
		t.Errorf("%+v", doc)
	}
	for _, bad := range []string{"", "\x00\x00\x00\x09{}", "\x00\x00\x00\x02[]", "\x00\x00\x00\x02{}\xff"} {
		if third.Inherit([]byte(bad)) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if got := series(t, third, "asteri_requests_total")[0].Counter.GetValue(); got != all {
		t.Errorf("rubbish has made %f of it", got)
	}
}

// TestFollow: who asks the process that drains hears no less than the new one tells.
func TestFollow(t *testing.T) {
	old, next := counted(t, 5, time.Millisecond), counted(t, 7, time.Millisecond)
	old.Follow(func(totals []byte) ([]byte, error) {
		if err := next.Inherit(totals); err != nil {
			return nil, err
		}
		return next.Totals(), nil
	})
	if got := series(t, old, "asteri_requests_total")[0].Counter.GetValue(); got != 12 {
		t.Errorf("%f requests", got)
	}
	if got := old.Document().Traffic.All.Requests; got != 12 {
		t.Errorf("%d requests", got)
	}
	old.Follow(func([]byte) ([]byte, error) { return nil, errTold })
	if got := old.Document().Traffic.All.Requests; got != 5 {
		t.Errorf("%d requests of its own", got)
	}
}
