package report

import (
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Bounds on what the workers of one application may have counted. The shim holds to
// narrower ones for each worker.
const (
	maxAppMetrics  = 200
	maxAppSeries   = 5000
	maxAppLabels   = 10
	maxAppBuckets  = 40
	maxMetricName  = 100 // bytes, of labels too
	maxMetricHelp  = 1200
	maxMetricValue = 400     // of a label
	maxMetricNamed = 100     // names that the log complains of
	maxCount       = 1 << 48 // of observations in a bucket, at once
)

// dropReason is why an update of a metric was dropped.
type dropReason string

const (
	dropSeries     dropReason = "series"     // beyond the bound on series
	dropMetrics    dropReason = "metrics"    // beyond the bound on metrics
	dropDefinition dropReason = "definition" // defined differently by another worker
	dropInvalid    dropReason = "invalid"    // no name, or no number
)

// Worker is who reports. Only its address, and when it was loaded, count.
type Worker struct {
	Generation int
}

// Metrics are what the workers of an application count: sums over all of them, those
// included that have ended.
type Metrics struct {
	log *slog.Logger

	mu       sync.Mutex
	families map[string]*metricFamily
	series   int
	dropped  map[dropReason]uint64
	named    map[string]bool // the log has told of them
}

// NewMetrics returns none yet. What cannot be shown is told to log.
func NewMetrics(log *slog.Logger) *Metrics { return &Metrics{log: log} }

// metricFamily is one metric.
type metricFamily struct {
	definition
	generation int // of the worker that has defined it
	series     map[string]*metricSeries
}

// definition says what a metric is.
type definition struct {
	name, kind, help string
	labels           []string
	merge            string    // of a gauge
	bounds           []float64 // of a histogram
}

func (d *definition) equal(o *definition) bool {
	return d.kind == o.kind && d.merge == o.merge && slices.Equal(d.labels, o.labels) && slices.Equal(d.bounds, o.bounds)
}

// metricSeries is one combination of labels.
type metricSeries struct {
	values []string
	sum    float64             // of a counter and a histogram; of a gauge what was set last
	counts []uint64            // of a histogram, by bucket
	parts  map[*Worker]float64 // of a gauge
}

// Merge takes a METRICS frame of a worker. It returns an error for one that no shim
// sends; what only goes beyond a bound is dropped and counted.
func (m *Metrics) Merge(w *Worker, frame any) error {
	f, _ := frame.([]any)
	if len(f) != 3 {
		return wire.Violation("METRICS of the wrong shape")
	}
	metrics, ok := f[0].([]any)
	lost, isLost := f[1].(int64)
	invalid, isInvalid := f[2].(int64)
	if !ok || !isLost || !isInvalid || lost < 0 || invalid < 0 {
		return wire.Violation("METRICS of the wrong shape")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(dropSeries, uint64(lost))
	m.drop(dropInvalid, uint64(invalid))
	for _, one := range metrics {
		row, _ := one.([]any)
		if len(row) != 6 {
			return wire.Violation("metric of the wrong shape")
		}
		updates, ok := row[5].([]any)
		if !ok {
			return wire.Violation("metric of the wrong shape")
		}
		family := m.family(w, row, uint64(len(updates)))
		if family == nil {
			continue
		}
		for _, update := range updates {
			if pair, ok := update.([]any); !ok || len(pair) != 2 || !m.update(w, family, pair[0], pair[1]) {
				m.drop(dropInvalid, 1)
			}
		}
	}
	return nil
}

func (m *Metrics) drop(why dropReason, n uint64) {
	if n > 0 {
		if m.dropped == nil {
			m.dropped = make(map[dropReason]uint64)
		}
		m.dropped[why] += n
	}
}

// refuse drops the updates of a metric, and says so once.
func (m *Metrics) refuse(why dropReason, n uint64, name, text string) {
	m.drop(why, n)
	if !m.named[name] && len(m.named) < maxMetricNamed {
		if m.named == nil {
			m.named = make(map[string]bool)
		}
		m.named[name] = true
		m.log.Warn("A metric of the application is not shown: "+text, "metric", name)
	}
}

// family returns the metric of a row, or nil if it cannot be had. Code that was loaded
// later may define it anew, which begins it anew.
func (m *Metrics) family(w *Worker, row []any, updates uint64) *metricFamily {
	d, ok := parseDefinition(row)
	if !ok {
		m.refuse(dropInvalid, updates, strings.ToValidUTF8(d.name, "\uFFFD"), "it is not defined as a metric can be")
		return nil
	}
	f := m.families[d.name]
	if f != nil && f.equal(&d) {
		f.generation = max(f.generation, w.Generation)
		return f
	}
	switch {
	case f != nil && w.Generation <= f.generation:
		m.refuse(dropDefinition, updates, d.name, "another worker defines it differently")
		return nil
	case f != nil:
		m.series -= len(f.series)
	case len(m.families) >= maxAppMetrics:
		m.refuse(dropMetrics, updates, d.name, "there are too many")
		return nil
	}
	if m.families == nil {
		m.families = make(map[string]*metricFamily)
	}
	f = &metricFamily{definition: d, generation: w.Generation, series: make(map[string]*metricSeries)}
	m.families[d.name] = f
	return f
}

// update enters a value. It returns false for what is none.
func (m *Metrics) update(w *Worker, f *metricFamily, values, value any) bool {
	labels, ok := texts(values)
	if !ok || len(labels) != len(f.labels) {
		return false
	}
	key := strings.Join(labels, "\xff") // which is in no UTF-8
	s := f.series[key]
	if s == nil {
		if m.series >= maxAppSeries {
			m.refuse(dropSeries, 1, f.name, "there are too many series")
			return true
		}
		s = &metricSeries{values: labels}
		if !s.update(w, f, value) {
			return false
		}
		f.series[key] = s
		m.series++
		return true
	}
	return s.update(w, f, value)
}

func (s *metricSeries) update(w *Worker, f *metricFamily, value any) bool {
	switch f.kind {
	case "counter":
		n, ok := number(value)
		return ok && n >= 0 && s.add(n)
	case "gauge":
		n, ok := value.(float64)
		if ok {
			if s.parts == nil {
				s.parts = make(map[*Worker]float64)
			}
			s.parts[w], s.sum = n, n
		}
		return ok
	}
	pair, _ := value.([]any)
	if len(pair) != 2 {
		return false
	}
	sum, ok := number(pair[0])
	counts, isList := pair[1].([]any)
	if !ok || !isList || len(counts) != len(f.bounds)+1 {
		return false
	}
	return s.addCounts(sum, counts)
}

// add adds to a sum, which stays finite.
func (s *metricSeries) add(n float64) bool {
	if math.IsInf(s.sum+n, 0) {
		return false
	}
	s.sum += n
	return true
}

func (s *metricSeries) addCounts(sum float64, counts []any) bool {
	for _, c := range counts {
		if n, ok := c.(int64); !ok || n < 0 || n > maxCount {
			return false
		}
	}
	if !s.add(sum) {
		return false
	}
	if s.counts == nil {
		s.counts = make([]uint64, len(counts))
	}
	for i, c := range counts {
		s.counts[i] += uint64(c.(int64))
	}
	return true
}

// Forget takes a worker that has ended out of the gauges.
func (m *Metrics) Forget(w *Worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.families {
		for _, s := range f.series {
			delete(s.parts, w)
		}
	}
}

// Drops returns what was dropped, by reason.
func (m *Metrics) Drops() map[string]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]uint64{}
	for why, n := range m.dropped {
		all[string(why)] = n
	}
	return all
}

// sorted returns the families by their names.
func (m *Metrics) sorted() []*metricFamily {
	return slices.SortedFunc(maps.Values(m.families), func(a, b *metricFamily) int { return strings.Compare(a.name, b.name) })
}
