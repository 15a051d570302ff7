package status

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// withMetrics serves the metrics of a gatherer beside the server's own.
func withMetrics(t *testing.T, of prometheus.Gatherer) (scraped func() map[string]*dto.MetricFamily, log *logtest.Text) {
	t.Helper()
	log = new(logtest.Text)
	m := New(Options{MetricsPath: "/metrics", Metrics: of, Logger: log.Logger()})
	t.Cleanup(m.Close)
	h := m.Handler(application)
	return func() map[string]*dto.MetricFamily { return parse(t, scrape(t, h, near).Body) }, log
}

// An embedding program's metrics are shown beside the server's own, whose names they
// may not have.
func TestFurtherMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector()) // as the default registry has it: nothing to complain of
	orders := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_orders_total", Help: "Orders."}, []string{"country"})
	latency := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "shop_seconds", Help: "Times."})
	r.MustRegister(orders, latency)
	for _, name := range []string{"asteri_requests_total", "asteri_whatever", "go_goroutines_sum", "process_cpu_seconds_total_count", "http_server_active_requests", "process_open_fds"} {
		r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "Mine."}))
	}
	orders.WithLabelValues("id").Add(3)
	latency.Observe(0.2)
	scraped, log := withMetrics(t, r)
	for range 2 {
		families := scraped()
		if got, n := value(families, "shop_orders_total", map[string]string{"country": "id"}); got != 3 || n != 1 {
			t.Errorf("%v in %d series", got, n)
		}
		if families["shop_seconds"].Metric[0].Histogram.GetSampleCount() != 1 {
			t.Error("there is no histogram")
		}
		if families["asteri_whatever"] != nil || families["go_goroutines_sum"] != nil {
			t.Error("a name of the server's is another's")
		}
	}
	if n := strings.Count(log.String(), "its name is the server's"); n != 6 {
		t.Errorf("%d lines say so:\n%s", n, log)
	}
}

// What gatherers disagree about is left out, said once, and spoils nothing.
func TestFurtherMetricsThatFail(t *testing.T) {
	one, other := prometheus.NewRegistry(), prometheus.NewRegistry()
	one.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "same", Help: "A counter."}))
	other.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "same", Help: "A gauge."}))
	bad := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errors.New("not today") })
	scraped, log := withMetrics(t, prometheus.Gatherers{one, other, bad})
	scraped()
	families := scraped()
	if f := families["same"]; f.GetType() != dto.MetricType_COUNTER || len(f.Metric) != 1 {
		t.Errorf("%v", f)
	}
	if len(families["asteri_ready"].GetMetric()) != 1 {
		t.Error("the server's own are gone")
	}
	if strings.Count(log.String(), "not all shown") != 1 || !log.Has("not today") || !log.Has("same") {
		t.Error(log)
	}
}
