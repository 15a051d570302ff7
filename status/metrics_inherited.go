package status

import (
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// goOn adds what another process has counted to families that nobody else has: to
// counters, histograms and summaries. Gauges are of the moment.
func goOn(now, before []*dto.MetricFamily) []*dto.MetricFamily {
	byName := make(map[string]*dto.MetricFamily, len(now))
	for _, f := range now {
		byName[f.GetName()] = f
	}
	for _, b := range before {
		if !inheritable(b) {
			continue
		}
		f := byName[b.GetName()]
		switch {
		case f == nil:
			f = &dto.MetricFamily{Name: b.Name, Help: b.Help, Type: b.Type, Unit: b.Unit}
			now = append(now, f)
		case f.GetType() != b.GetType():
			continue // it is defined anew
		}
		addFamily(f, b)
	}
	now = slices.DeleteFunc(now, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
	slices.SortFunc(now, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return now
}

// inheritable tells whether a family goes on in another process. What the collectors of Go
// say is of one process, whose start is among it.
func inheritable(f *dto.MetricFamily) bool {
	if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
		return false
	}
	switch f.GetType() {
	case dto.MetricType_COUNTER, dto.MetricType_HISTOGRAM, dto.MetricType_SUMMARY:
		return true
	}
	return false
}

func addFamily(f, before *dto.MetricFamily) {
	series := make(map[string]*dto.Metric, len(f.Metric))
	for _, m := range f.Metric {
		series[seriesKey(m)] = m
	}
	for _, b := range before.Metric {
		if slices.ContainsFunc(b.Label, func(l *dto.LabelPair) bool { return l.GetName() == "pid" }) {
			continue // of a worker, which ends with its process
		}
		if m := series[seriesKey(b)]; m != nil {
			addSeries(m, b)
			continue
		}
		f.Metric = append(f.Metric, b)
	}
	slices.SortFunc(f.Metric, func(a, b *dto.Metric) int {
		return slices.CompareFunc(a.Label, b.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetValue(), b.GetValue()) })
	})
}

// seriesKey is a metric's labels. They are in the order of their names.
func seriesKey(m *dto.Metric) string {
	var key strings.Builder
	for _, l := range m.Label {
		key.WriteString(l.GetName() + "\xff" + l.GetValue() + "\xff") // which is in no UTF-8
	}
	return key.String()
}

func addSeries(m, before *dto.Metric) {
	switch {
	case m.Counter != nil && before.Counter != nil:
		m.Counter = &dto.Counter{Value: new(m.Counter.GetValue() + before.Counter.GetValue())}
	case m.Histogram != nil && before.Histogram != nil:
		m.Histogram = addHistogram(m.Histogram, before.Histogram)
	case m.Summary != nil && before.Summary != nil:
		m.Summary = &dto.Summary{
			SampleCount: new(m.Summary.GetSampleCount() + before.Summary.GetSampleCount()),
			SampleSum:   new(m.Summary.GetSampleSum() + before.Summary.GetSampleSum()),
			Quantile:    m.Summary.Quantile,
		}
	}
}

// addHistogram adds two of the same buckets; where they are others, it begins anew.
func addHistogram(h, before *dto.Histogram) *dto.Histogram {
	same := func(a, b *dto.Bucket) bool { return a.GetUpperBound() == b.GetUpperBound() }
	if !slices.EqualFunc(h.Bucket, before.Bucket, same) || h.GetSchema() != before.GetSchema() {
		return h
	}
	sum := &dto.Histogram{
		SampleCount: new(h.GetSampleCount() + before.GetSampleCount()),
		SampleSum:   new(h.GetSampleSum() + before.GetSampleSum()),
		Schema:      h.Schema, ZeroThreshold: h.ZeroThreshold,
	}
	for i, b := range h.Bucket {
		sum.Bucket = append(sum.Bucket, &dto.Bucket{
			UpperBound: b.UpperBound, CumulativeCount: new(b.GetCumulativeCount() + before.Bucket[i].GetCumulativeCount()),
		})
	}
	if h.Schema == nil {
		return sum
	}
	sum.ZeroCount = new(h.GetZeroCount() + before.GetZeroCount())
	counts := nativeBuckets(h)
	for index, n := range nativeBuckets(before) {
		counts[index] += n
	}
	addNative(sum, func(each func(index int, n uint64)) {
		for _, index := range slices.Sorted(maps.Keys(counts)) {
			each(index, counts[index])
		}
	})
	return sum
}

// nativeBuckets undoes addNative.
func nativeBuckets(h *dto.Histogram) map[int]uint64 {
	counts := make(map[int]uint64)
	index, at, n := 0, 0, int64(0)
	for _, span := range h.PositiveSpan {
		index += int(span.GetOffset())
		for range span.GetLength() {
			if at == len(h.PositiveDelta) {
				return counts // is none of ours
			}
			n += h.PositiveDelta[at]
			counts[index] = uint64(max(n, 0))
			index, at = index+1, at+1
		}
	}
	return counts
}
