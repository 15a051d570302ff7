package statsd

import (
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
)

// shop is an application with metrics.
type shop struct {
	*prometheus.Registry
	orders *prometheus.CounterVec
	level  prometheus.Gauge
	times  prometheus.Histogram
}

func newShop() *shop {
	s := &shop{
		Registry: prometheus.NewRegistry(),
		orders:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orders_total"}, []string{"by", "country"}),
		level:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "level"}),
		times:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "seconds"}),
	}
	s.MustRegister(s.orders, s.level, s.times)
	return s
}

func TestFurtherMetrics(t *testing.T) {
	for _, tags := range []string{"", "env:test"} {
		s := newShop()
		var sent []string
		p := packer{suffix: suffix(tags), limit: 1432, send: func(b []byte) { sent = append(sent, strings.Split(string(b), "\n")...) }}
		f := further{tagged: tags != ""}
		now := time.Unix(1000, 0)
		pack := func(after time.Duration) []string {
			sent = nil
			now = now.Add(after)
			f.pack(s, now, false, &p)
			p.flush()
			return sent
		}
		name, end := func(orders string) string { return orders }, ""
		if tags != "" {
			name, end = func(string) string { return "orders_total" }, "|#env:test"
		}
		expect := func(got []string, want ...string) {
			t.Helper()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
		}
		s.orders.WithLabelValues("a.b|c", "id").Add(2.5)
		s.level.Set(-1.5)
		s.times.Observe(0.5)
		s.times.Observe(2)
		own := end
		if tags != "" {
			own += ",by:a.b_c,country:id"
		}
		expect(pack(0), name("orders_total.a_b_c.id")+":2.5|c"+own, "level:0|g"+end, "level:-1.5|g"+end, "seconds.count:2|c"+end, "seconds.sum:2.5|c"+end)
		expect(pack(metricsEvery / 2))
		s.orders.WithLabelValues("a.b|c", "id").Inc()
		expect(pack(metricsEvery), name("orders_total.a_b_c.id")+":1|c"+own)
		s.level.Set(3)
		expect(pack(metricsEvery), "level:3|g"+end)
		expect(pack(gaugesEvery), "level:3|g"+end)
		for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			s.level.Set(odd)
			expect(pack(gaugesEvery))
		}
		s.level.Set(3)
		expect(pack(metricsEvery), "level:3|g"+end)
		// Something that begins anew, as after a reload with other labels.
		s.orders.Reset()
		s.orders.WithLabelValues("a.b|c", "id").Inc()
		expect(pack(metricsEvery), name("orders_total.a_b_c.id")+":1|c"+own)
	}
}

// What was counted last is sent at the end.
func TestFurtherMetricsAtTheEnd(t *testing.T) {
	leakcheck.Check(t)
	at := listen(t, "udp", "127.0.0.1:0")
	c := New(Options{Network: "udp", Address: at.LocalAddr().String(), Prefix: "p", Logger: slog.New(slog.DiscardHandler)})
	s := newShop()
	c.SetMetrics(s)
	s.level.Set(math.Pi)
	receive(t, at, 1432, "p.level:3.141592653589793|g")
	s.orders.WithLabelValues("x", "y").Inc()
	c.Close()
	receive(t, at, 1432, "p.orders_total.x.y:1|c")
}
