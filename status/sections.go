package status

import (
	"bytes"
	"encoding/json"
	"html/template"
	"slices"
)

// section is a part of the page that changes by itself.
type section struct {
	ID   string
	HTML template.HTML
}

// The sections, in their order on the page: what is needed first at 3 a.m. comes
// first.
var (
	publicSections = []string{"health", "now", "history", "workers", "traffic", "loops"}
	fullSections   = []string{"health", "now", "history", "workers", "memory", "flying", "errors", "traffic", "loops", "config"}
)

// sections renders the parts of the page.
func (d *pageData) sections() ([]section, error) {
	names := publicSections
	if d.Full {
		names = fullSections
	}
	data := d.digest()
	all := make([]section, 0, len(names))
	for _, name := range names {
		html, err := execute(name, d.Lang, data)
		if err != nil {
			return nil, err
		}
		all = append(all, section{name, html})
	}
	return all, nil
}

// digest is a document with what the page makes of it.
type digest struct {
	*pageData
	State         string // "healthy", "warning" or "bad"
	Problems      []problem
	ErrorShare    float64
	Busy, Serving int
	Recycles      bool
	Blamed        []RouteMemory
	Charts        []chart
}

func (d *pageData) digest() *digest {
	g := &digest{pageData: d, State: "healthy", Problems: problems(d.Doc, d.Lang), ErrorShare: errorShare(d.Doc)}
	g.Busy, g.Serving = busyWorkers(d.Doc)
	if len(g.Problems) > 0 {
		g.State = "warning"
	}
	if !d.Doc.Ready {
		g.State = "bad"
	}
	g.Recycles = slices.ContainsFunc(d.Doc.Workers, func(w Worker) bool { return w.Recycling != nil })
	g.Blamed = blamed(d.Doc.Memory)
	if d.Doc.History != nil {
		g.Charts = charts(d.Doc.History, d.Lang)
	}
	return g
}

// maxBlamed bounds the routes on the page.
const maxBlamed = 15

// blamed returns the first of the routes that have made workers grow.
func blamed(routes []RouteMemory) []RouteMemory {
	n := 0
	for n < min(len(routes), maxBlamed) && routes[n].Grown > 0 {
		n++
	}
	return routes[:n]
}

func charts(h *History, l language) []chart {
	requests, errors, flying := numbers(h.Requests), numbers(h.Errors), numbers(h.InFlight)
	all := []chart{
		newChart(l, "ratechart", requests, l.rate),
		newChart(l, "latechart", h.P99, l.span),
		newChart(l, "flychart", flying, l.rate),
	}
	most := highest(requests)
	all[0].Lines = append(area(requests, most), draw("two", errors, most)...)
	all[0].Second = text(l, "ofthem5xx")
	most = highest(h.P99)
	all[1].Lines = append(draw("one", h.P50, most), draw("two", h.P99, most)...)
	all[1].Second = text(l, "p99")
	all[2].Lines = area(flying, highest(flying))
	return all
}

func newChart(l language, key string, values []float64, format func(float64) string) chart {
	title := text(l, key)
	now := 0.0
	if len(values) > 0 {
		now = values[len(values)-1]
	}
	c := chart{Title: title, Now: format(now), Most: format(highest(values))}
	label, err := l.say("chartlabel", title, c.Now, c.Most)
	if err == nil {
		c.Label = label
	}
	return c
}

// text returns a text that is known to exist.
func text(l language, key string) string { return words[key][l] }

// area makes a line and what is below it.
func area(values []float64, most float64) []line {
	lines := draw("one", values, most)
	if len(lines) > 0 && len(values) > 1 {
		from := 300 - 300*float64(len(values))/historyLength
		lines = append(lines, line{"area", lines[0].Path + "L298 60L" + english.number(from, 0) + " 60Z"})
	}
	return lines
}

func numbers[T int | uint64](values []T) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = float64(v)
	}
	return all
}

func highest(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Max(values)
}

// pages renders the sections for listeners, once for all that see the same.
type pages struct {
	*Monitor
	sn   *snapshot
	made map[view][]section
}

// frame returns the sections that have changed since those in had, and what the
// listener has afterwards. It returns nil if none has, or cannot be made.
func (p *pages) frame(st *listener) (frame []byte, have []section) {
	key := view{Lang: st.page.lang, Full: st.access == full}
	all, ok := p.made[key]
	if !ok {
		d := pageData{view: key, Path: p.opts.Path}
		d.Doc = p.sn.doc.view(key.Full)
		all, _ = d.sections() // a template that fails gives nothing, and so do tests of it
		p.made[key] = all
	}
	changed := make(map[string]template.HTML)
	for i, one := range all {
		if i >= len(st.page.have) || st.page.have[i].HTML != one.HTML {
			changed[one.ID] = one.HTML
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(changed); err != nil {
		return nil, nil
	}
	return appendEvent(nil, "page", uint64(p.sn.doc.Time.UnixMilli()), bytes.TrimSpace(b.Bytes())), all
}
