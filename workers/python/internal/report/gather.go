package report

import (
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// Gather returns the metrics over all workers.
func (m *Metrics) Gather() []*dto.MetricFamily {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*dto.MetricFamily
	for _, f := range m.sorted() {
		if family := f.gather(); len(family.Metric) > 0 {
			all = append(all, family)
		}
	}
	return all
}

func (f *metricFamily) gather() *dto.MetricFamily {
	kind := map[string]dto.MetricType{
		"counter": dto.MetricType_COUNTER, "gauge": dto.MetricType_GAUGE, "histogram": dto.MetricType_HISTOGRAM,
	}[f.kind]
	name, help := f.name, f.help
	family := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
	for _, s := range f.series {
		metric := &dto.Metric{Label: f.pairs(s)}
		switch value := s.sum; f.kind {
		case "counter":
			metric.Counter = &dto.Counter{Value: &value}
		case "histogram":
			metric.Histogram = s.histogram(f.bounds)
		default:
			if f.merge != "latest" {
				if len(s.parts) == 0 {
					continue // the workers that had set it have ended
				}
				value = s.merged(f.merge)
			}
			metric.Gauge = &dto.Gauge{Value: &value}
		}
		family.Metric = append(family.Metric, metric)
	}
	slices.SortFunc(family.Metric, func(a, b *dto.Metric) int {
		return slices.CompareFunc(a.Label, b.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetValue(), b.GetValue()) })
	})
	return family
}

// pairs returns the labels in the order of their names, as scrapers expect them.
func (f *metricFamily) pairs(s *metricSeries) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, len(f.labels))
	for i := range f.labels {
		pairs[i] = &dto.LabelPair{Name: &f.labels[i], Value: &s.values[i]}
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return pairs
}

// merged joins what workers have set.
func (s *metricSeries) merged(rule string) float64 {
	if rule == "sum" {
		sum := 0.0
		for _, v := range s.parts {
			sum += v
		}
		return sum
	}
	pick, value := math.Max, math.Inf(-1)
	if rule == "min" {
		pick, value = math.Min, math.Inf(1)
	}
	for _, v := range s.parts {
		value = pick(value, v)
	}
	return value
}

func (s *metricSeries) histogram(bounds []float64) *dto.Histogram {
	sum := s.sum // the series goes on counting while what is gathered is written out
	h := &dto.Histogram{SampleSum: &sum}
	total := uint64(0)
	for i := range bounds {
		total += s.counts[i]
		upTo := total
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &bounds[i], CumulativeCount: &upTo})
	}
	total += s.counts[len(bounds)]
	h.SampleCount = &total
	return h
}
