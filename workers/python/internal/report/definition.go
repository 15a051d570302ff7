package report

import (
	"math"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// parseDefinition reads the first five fields of a metric. ok is false for what
// cannot be one.
func parseDefinition(row []any) (d definition, ok bool) {
	d.name, _ = row[0].(string)
	d.kind, _ = row[1].(string)
	d.help, _ = row[2].(string)
	d.help = wire.Cut(d.help, maxMetricHelp)
	labels, ok := texts(row[3])
	d.labels = labels
	if !ok || !isName(d.name, true) || len(labels) > maxAppLabels {
		return d, false
	}
	for i, l := range labels {
		if !isName(l, false) || strings.HasPrefix(l, "__") || l == "app" || l == "le" || l == "quantile" || slices.Contains(labels[:i], l) {
			return d, false
		}
	}
	switch d.kind {
	case "counter":
		return d, true
	case "gauge":
		d.merge, _ = row[4].(string)
		return d, d.merge == "sum" || d.merge == "max" || d.merge == "min" || d.merge == "latest"
	case "histogram":
		d.bounds, ok = bounds(row[4])
		return d, ok
	}
	return d, false
}

// isName tells whether s is a name by the rules of Prometheus' text format.
func isName(s string, colons bool) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || colons && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxMetricName
}

// bounds reads the upper bounds of buckets, which grow.
func bounds(v any) ([]float64, bool) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > maxAppBuckets {
		return nil, false
	}
	all := make([]float64, len(list))
	for i, one := range list {
		n, ok := number(one)
		if !ok || i > 0 && n <= all[i-1] {
			return nil, false
		}
		all[i] = n
	}
	return all, true
}

// texts reads a tuple of str. Each is cut, and made valid UTF-8.
func texts(v any) ([]string, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	all := make([]string, len(list))
	for i, one := range list {
		s, ok := one.(string)
		if !ok {
			return nil, false
		}
		all[i] = wire.Cut(s, maxMetricValue)
	}
	return all, true
}

// number reads a finite number.
func number(v any) (float64, bool) {
	n, ok := v.(float64)
	return n, ok && !math.IsInf(n, 0) && !math.IsNaN(n)
}
