package status

import (
	"bytes"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/asteri/asteri-loop/internal/edge/accept"

	"github.com/asteri/asteri-loop/internal/edge/local"
)

// DefaultMetricsPath is where Prometheus looks.
const DefaultMetricsPath = "/metrics"

// metrics answers scrapes. What is counted is gathered and put into words by a
// goroutine; scrapes of one form that come meanwhile share its result.
type metrics struct {
	monitor  *Monitor
	gatherer prometheus.Gatherer

	mu      sync.Mutex
	waiting map[form][]*visit // for the rendering of that form which is under way
}

// form is what a scraper takes.
type form struct {
	format expfmt.Format
	gzip   bool
}

// formats are what can be had, the text that people read first: it is for who does
// not say.
var formats = []expfmt.Format{
	expfmt.NewFormat(expfmt.TypeTextPlain),
	expfmt.FmtOpenMetrics_1_0_0,
	expfmt.FmtOpenMetrics_0_0_1,
	expfmt.NewFormat(expfmt.TypeProtoDelim),
}

func newMetrics(s *Monitor) *metrics {
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &metrics{monitor: s, gatherer: own, waiting: make(map[form][]*visit)}
	if s.opts.Metrics != nil {
		names, _ := own.Gather() // what fails now may be had later, and is not an application's for it
		m.gatherer = prometheus.Gatherers{own, newFurther(&s.opts, names)}
	}
	own.MustRegister(&collector{monitor: s, goVersion: goVersion()})
	return m
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "unknown"
}

// serve answers one scrape.
func (m *metrics) serve(v *visit) {
	f := negotiate(v)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[f] = append(m.waiting[f], v)
	if len(m.waiting[f]) == 1 {
		m.monitor.work.Go(func() { m.answer(f) })
	}
}

func negotiate(v *visit) form {
	var types []string
	for value := range v.r.Header.Values("Accept") {
		types = append(types, string(value))
	}
	encodings := accept.Encodings(&v.r.Header)
	return form{
		format: expfmt.NegotiateAccept(http.Header{"Accept": {strings.Join(types, ",")}}, formats...),
		gzip:   encodings.Accepts(accept.Gzip),
	}
}

// answer renders f for all who wait for it.
func (m *metrics) answer(f form) {
	body, err := m.render(f)
	m.mu.Lock()
	waiting := m.waiting[f]
	delete(m.waiting, f)
	m.mu.Unlock()
	for _, v := range waiting {
		v.Post(func() {
			if err != nil {
				v.Abort(err)
				return
			}
			h := local.Head(string(f.format))
			h.Add("Vary", "Accept, Accept-Encoding")
			if f.gzip {
				h.Add("Content-Encoding", "gzip")
			}
			send(v, http.StatusOK, h, string(body))
		})
	}
}

// own are the metrics of this process, which go on from those that it has inherited.
func (m *metrics) own() ([]*dto.MetricFamily, error) {
	families, err := m.gatherer.Gather()
	if inherited := m.monitor.inherited.Load(); inherited != nil {
		families = goOn(families, inherited.families)
	}
	return families, err
}

// gather is own, or what another process tells that has taken the place of this one.
func (m *metrics) gather() ([]*dto.MetricFamily, error) {
	if t := m.monitor.followed(); t != nil {
		return t.families, nil
	}
	return m.own()
}

// render gathers everything. A value that cannot be had, such as one of a process
// that has just gone, is left out and spoils nothing.
func (m *metrics) render(f form) ([]byte, error) {
	families, err := m.gather()
	if len(families) == 0 && err != nil {
		return nil, err
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	enc := expfmt.NewEncoder(buf, f.format)
	for _, family := range families {
		if err := enc.Encode(family); err != nil {
			return nil, err
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		if err := c.Close(); err != nil { // the end of OpenMetrics
			return nil, err
		}
	}
	if f.gzip {
		return pack(buf.Bytes()), nil
	}
	return bytes.Clone(buf.Bytes()), nil
}
