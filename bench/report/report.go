// Package report holds what a comparison measured, judges it against the
// targets, and writes it as JSON, as a Markdown page and as a chart.
package report

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
)

// Report is one run of the comparison.
type Report struct {
	Date     string  `json:"date"`
	Command  string  `json:"command"`
	Revision string  `json:"revision"` // of the source tree, "-dirty" when changed
	Rounds   int     `json:"rounds"`
	Seconds  float64 `json:"seconds"` // of one load, after warming up
	Machine  []Fact  `json:"machine"`
	Versions []Fact  `json:"versions"`
	Cases    []Case  `json:"cases"`
}

// Fact is a name and a value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Case is one load given to several servers.
type Case struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Load     string    `json:"load"`
	Servers  []Server  `json:"servers"`
	Verdicts []Verdict `json:"verdicts"`
}

// Server is what one server did in a case.
type Server struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Ours    bool     `json:"ours"`
	Command string   `json:"command"`
	Samples []Sample `json:"samples"`
	// Problem says why a sample is missing; "" when none is.
	Problem string `json:"problem,omitempty"`
}

// Sample is one measurement of one server. A case measures either requests or
// memory; the other fields stay zero.
type Sample struct {
	Round     int     `json:"round"`
	CPU       float64 `json:"cpuMicros,omitempty"` // of the server, a good request
	Rate      float64 `json:"rate,omitempty"`      // good requests a second
	Good      int64   `json:"good,omitempty"`
	Bad       int64   `json:"bad,omitempty"`
	P50       float64 `json:"p50Micros,omitempty"`
	P99       float64 `json:"p99Micros,omitempty"`
	ClientCPU float64 `json:"clientCPUMicros,omitempty"` // of the client, a good request
	Memory    float64 `json:"bytesPerConnection,omitempty"`
	RSS       float64 `json:"rssPerConnection,omitempty"`
	// Scrapes are what the server told of itself meanwhile.
	Scrapes []Scrapes `json:"scrapes,omitempty"`
}

// Scrapes are the answers of one path, in milliseconds.
type Scrapes struct {
	Path  string  `json:"path"`
	Count int     `json:"count"`
	P50   float64 `json:"p50Millis"`
	P99   float64 `json:"p99Millis"`
	Max   float64 `json:"maxMillis"`
	Bytes int64   `json:"bytes"` // of the largest, as sent
}

// Metric is something a target speaks of.
type Metric string

// The metrics.
const (
	CPU    Metric = "cpu"    // microseconds a good request, of the whole process tree
	Rate   Metric = "rate"   // good requests a second
	Memory Metric = "memory" // bytes of PSS an idle connection
	Scrape Metric = "scrape" // milliseconds of 99 of 100 answers, of the slowest path
)

// moreIsBetter tells the direction of a metric.
func (m Metric) moreIsBetter() bool { return m == Rate }

// Of returns what a sample says of a metric.
func (m Metric) Of(s Sample) float64 {
	switch m {
	case CPU:
		return s.CPU
	case Rate:
		return s.Rate
	case Memory:
		return s.Memory
	case Scrape:
		slowest := 0.0
		for _, one := range s.Scrapes {
			slowest = max(slowest, one.P99)
		}
		return slowest
	}
	return 0
}

// Spread is a median with the smallest and the largest value.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf returns the spread of values; false if there are none.
func spreadOf(values []float64) (Spread, bool) {
	if len(values) == 0 {
		return Spread{}, false
	}
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	median := v[mid]
	if len(v)%2 == 0 {
		median = (v[mid-1] + v[mid]) / 2
	}
	return Spread{Median: median, Min: v[0], Max: v[len(v)-1]}, true
}

// Spread returns the spread of a metric over the server's samples.
func (s Server) Spread(m Metric) (Spread, bool) {
	values := make([]float64, 0, len(s.Samples))
	for _, sample := range s.Samples {
		values = append(values, m.Of(sample))
	}
	return spreadOf(values)
}

// bad adds up what went wrong for the client.
func (s Server) bad() int64 {
	var n int64
	for _, sample := range s.Samples {
		n += sample.Bad
	}
	return n
}

// Target is what one of our servers is to reach.
type Target struct {
	Ours   string `json:"ours"`
	Metric Metric `json:"metric"`
	// Reference is the server compared with; "" makes Limit an absolute
	// value of the metric.
	Reference string `json:"reference,omitempty"`
	// Limit is the largest ratio ours/reference that meets the target, or
	// the smallest one where more is better.
	Limit float64 `json:"limit"`
}

// Verdict is a target and what became of it.
type Verdict struct {
	Target
	// Value is the ratio, or the absolute value; nil when it could not be
	// measured.
	Value *Spread `json:"value"`
	Met   bool    `json:"met"`
}

// Judge compares what was measured with a target. The ratio is taken within
// each round, where both servers met the machine in about the same state, and
// the median of the ratios decides.
func (c Case) Judge(t Target) Verdict {
	v := Verdict{Target: t}
	spread, ok := spreadOf(c.values(t))
	if !ok {
		return v
	}
	v.Value = &spread
	if t.Metric.moreIsBetter() {
		v.Met = spread.Median >= t.Limit
	} else {
		v.Met = spread.Median <= t.Limit
	}
	return v
}

// values returns what t speaks of, one value a round.
func (c Case) values(t Target) []float64 {
	ours := c.byRound(t.Ours, t.Metric)
	if t.Reference == "" {
		return slices.Collect(maps.Values(ours))
	}
	var ratios []float64
	reference := c.byRound(t.Reference, t.Metric)
	for round, value := range ours {
		if base := reference[round]; base > 0 {
			ratios = append(ratios, value/base)
		}
	}
	return ratios
}

func (c Case) byRound(id string, m Metric) map[int]float64 {
	values := map[int]float64{}
	for _, s := range c.Servers {
		if s.ID != id {
			continue
		}
		for _, sample := range s.Samples {
			values[sample.Round] = m.Of(sample)
		}
	}
	return values
}

// name returns the display name of a server of the case.
func (c Case) name(id string) string {
	for _, s := range c.Servers {
		if s.ID == id {
			return s.Name
		}
	}
	return id
}

// metric returns what the case is mainly about.
func (c Case) metric() Metric {
	for _, s := range c.Servers {
		for _, sample := range s.Samples {
			switch {
			case len(sample.Scrapes) > 0:
				return Scrape
			case sample.Memory != 0:
				return Memory
			}
		}
	}
	return CPU
}

// Complete reports whether every server gave every sample.
func (r Report) Complete() bool {
	for _, c := range r.Cases {
		for _, s := range c.Servers {
			if s.Problem != "" {
				return false
			}
		}
	}
	return true
}

// WriteJSON writes the whole report.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// round keeps three significant digits.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
