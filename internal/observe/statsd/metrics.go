package statsd

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	// metricsEvery is how often the metrics of applications are gathered.
	metricsEvery = time.Second
	// gaugesEvery is how often gauges are sent that have not changed.
	gaugesEvery = 10 * time.Second
)

// further sends the metrics of applications. It belongs to the client's goroutine.
type further struct {
	at     time.Time          // when they were gathered
	allAt  time.Time          // when all gauges were sent
	told   map[string]float64 // what the server knows, by the line's name and tags
	tagged bool               // labels are tags; else they are parts of the name
}

// SetMetrics says whose metrics to send too: a counter as what has come since the last
// time, a gauge when it has changed, of a histogram the count and the sum. Gather is
// called once a second, on a goroutine of the client's.
func (c *Client) SetMetrics(of prometheus.Gatherer) { c.metrics.Store(&of) }

// pack sends what has changed since the last time, once it is due or the end has come.
func (f *further) pack(of prometheus.Gatherer, now time.Time, last bool, out *packer) {
	if now.Sub(f.at) < metricsEvery && !last {
		return
	}
	f.at = now
	all := now.Sub(f.allAt) >= gaugesEvery
	if all {
		f.allAt = now
	}
	families, _ := of.Gather() // what is there is good; who scrapes says what is not
	known := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.Metric {
			name, tags := f.label(family.GetName(), m.Label)
			switch {
			case m.Counter != nil:
				f.count(known, name, tags, m.Counter.GetValue(), out)
			case m.Histogram != nil:
				f.count(known, name+".count", tags, float64(m.Histogram.GetSampleCount()), out)
				f.count(known, name+".sum", tags, m.Histogram.GetSampleSum(), out)
			case m.Gauge != nil:
				f.gauge(known, name, tags, m.Gauge.GetValue(), all, out)
			}
		}
	}
	f.told = known // forgets those that have gone
}

func (f *further) count(known map[string]float64, name, tags string, total float64, out *packer) {
	before := f.told[name+tags]
	known[name+tags] = total
	if total < before {
		before = 0 // it has begun anew
	}
	if total > before {
		out.number(name, total-before, "|c", tags)
	}
}

func (f *further) gauge(known map[string]float64, name, tags string, value float64, all bool, out *packer) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return // StatsD has no such number
	}
	before, told := f.told[name+tags]
	known[name+tags] = value
	if all || !told || value != before {
		if value < 0 {
			out.number(name, 0, "|g", tags) // a sign means a change: it is set to 0 first
		}
		out.number(name, value, "|g", tags)
	}
}

// label returns the name of a series, and its tags as they follow the client's own.
func (f *further) label(name string, labels []*dto.LabelPair) (series, tags string) {
	var b strings.Builder
	for _, l := range labels {
		if f.tagged {
			b.WriteString("," + l.GetName() + ":" + plain.Replace(l.GetValue()))
		} else {
			name += "." + strings.ReplaceAll(plain.Replace(l.GetValue()), ".", "_")
		}
	}
	return name, b.String()
}

// plain replaces what separates the parts of a line.
var plain = strings.NewReplacer(":", "_", "|", "_", "@", "_", "#", "_", ",", "_", "\n", "_", "\r", "_")

// number adds a number of a type with tags of its own.
func (p *packer) number(name string, n float64, kind, tags string) {
	p.begin(name)
	p.line = strconv.AppendFloat(p.line, n, 'f', -1, 64)
	own := p.suffix
	p.suffix += tags
	p.end(kind)
	p.suffix = own
}
