package status

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rows writes the parts of the page of which there are many: a template takes ten times
// as long, because each of its values is a call by reflection, and a page is to come
// quickly when the machine has other things to do. Whatever is not markup of ours goes
// through text.
type rows struct {
	b    []byte
	lang language
	path string // of the page
}

func (d *pageData) rows() *rows { return &rows{lang: d.Lang, path: d.Path} }

func (r *rows) html() template.HTML { return template.HTML(r.b) } //nolint:gosec // see rows

func (r *rows) markup(s string) *rows {
	r.b = append(r.b, s...)
	return r
}

// text appends what stands between tags, or between double quotes in one.
func (r *rows) text(s string) *rows {
	from := 0
	for i := range len(s) {
		var escaped string
		switch s[i] {
		case '<':
			escaped = "&lt;"
		case '>':
			escaped = "&gt;"
		case '&':
			escaped = "&amp;"
		case '"':
			escaped = "&#34;"
		case '\'':
			escaped = "&#39;"
		case 0:
			escaped = "\uFFFD"
		default:
			continue
		}
		r.b = append(append(r.b, s[from:i]...), escaped...)
		from = i + 1
	}
	r.b = append(r.b, s[from:]...)
	return r
}

func (r *rows) number(n int) *rows {
	r.b = strconv.AppendInt(r.b, int64(n), 10)
	return r
}

// word appends a text of the page's own.
func (r *rows) word(key string, args ...any) *rows {
	s, err := r.lang.say(key, args...)
	if err != nil {
		s = key
	}
	return r.text(s)
}

func (r *rows) stackLink(pid int) {
	r.markup(`<a href="`).text(r.path).markup("/stack?pid=").number(pid).
		markup(`" aria-label="`).word("stackof", pid).markup(`">`).word("stack").markup("</a>")
}

// fields are those of a record, in order.
func (r *rows) fields(fields map[string]string) {
	if len(fields) == 0 {
		return
	}
	r.markup(`<dl class="fields">`)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		r.markup("<dt>").text(name).markup("</dt><dd><pre>").text(fields[name]).markup("</pre></dd>")
	}
	r.markup("</dl>")
}

// sure is a button that asks once more.
func (r *rows) sure(label, name string, value int, confirm string) {
	r.markup(`<details class="sure"><summary>`).text(label).markup(`</summary><button form="act" name="`).text(name).
		markup(`" value="`).number(value).markup(`">`).text(confirm).markup("</button></details>")
}

// amount is a cell of a number.
func (r *rows) amount(s string) *rows { return r.markup(`<td class="n">`).text(s).markup("</td>") }

// WorkerRows are the workers.
func (d *digest) WorkerRows() template.HTML {
	r := d.rows()
	for i := range d.Doc.Workers {
		d.worker(r, &d.Doc.Workers[i])
	}
	return r.html()
}

func (d *digest) worker(r *rows, w *Worker) {
	r.markup(`<tr id="w`).number(w.PID).markup(`"><th scope="row">`).number(w.PID).
		markup(`</th><td><span class="state `).text(w.State).markup(`">`).word(w.State).
		markup("</span></td><td>").text(w.App)
	if w.At != "" {
		r.markup(" <small>").text(w.At).markup("</small>")
	}
	r.markup("</td><td>").text(w.Model).markup("</td>").
		amount(r.lang.span(w.Age)).amount(r.lang.count(w.InFlight)).amount(r.lang.count(w.Served))
	if d.Doc.WebSockets != nil {
		r.amount(r.lang.count(w.WebSockets))
	}
	r.amount(r.lang.percent(w.CPU)).amount(r.lang.size(w.RSS)).amount(r.lang.size(w.PSS))
	if d.Recycles {
		r.recycling(w.Recycling)
	}
	if d.Full {
		r.trouble(w, d.Doc.Server.PID)
	}
	r.markup("</tr>")
}

func (r *rows) recycling(when *Recycling) {
	r.markup(`<td class="n">`)
	if when != nil {
		r.word("requests#", r.lang.count(when.Requests))
		if when.Seconds > 0 {
			r.markup(", ~").text(r.lang.span(when.Seconds))
		}
	}
	r.markup("</td>")
}

// trouble is a worker's last error, and what can be done. The server itself, own, cannot
// be replaced.
func (r *rows) trouble(w *Worker, own int) {
	r.markup("<td>")
	if e := w.LastError; e != nil {
		r.markup("<details><summary>").text(stamp(e.Time)).markup("</summary><p>").text(headline(e.Message)).markup("</p>").fields(e.Fields)
		r.markup("</details>")
	}
	r.markup(`</td><td class="actions">`).stackLink(w.PID)
	if w.PID != own {
		r.markup(" ").sure(text(r.lang, "restart"), "restart", w.PID, fmt.Sprintf(text(r.lang, "restartof"), w.PID))
	}
	r.markup("</td>")
}

// RequestRows are the requests in flight.
func (d *pageData) RequestRows() template.HTML {
	r := d.rows()
	for i := range d.Doc.Requests {
		q := &d.Doc.Requests[i]
		r.markup(`<tr data-age="`).text(strconv.FormatFloat(q.Age, 'g', -1, 64)).
			markup(`"><td class="n">`).text(d.Lang.span(q.Age)).
			markup(`</td><td><span class="state `).text(q.State).markup(`">`).word(q.State).
			markup("</span></td><td>").text(q.Method).markup(`</td><td class="path">`).text(q.Path).
			markup("</td><td>").text(q.Protocol).markup("</td><td>")
		if q.Worker != 0 {
			r.number(q.Worker).markup(" ").stackLink(q.Worker)
		}
		r.markup("</td></tr>")
	}
	return r.html()
}

// ErrorRows are the last errors of the log: what was raised goes first, since that is what
// they are told apart by.
func (d *pageData) ErrorRows() template.HTML {
	r := d.rows()
	for i := range d.Doc.Errors {
		e := &d.Doc.Errors[i]
		r.markup(`<li id="e`).number(int(e.ID)).markup(`"><details><summary><time>`).text(stamp(e.Time)).markup("</time> ")
		if e.Count > 1 {
			r.markup("<em>").word("times", r.lang.count(e.Count)).markup("</em> ")
		}
		raised := e.Fields["error"]
		if raised != "" {
			r.markup("<b>").text(headline(raised)).markup("</b> ")
		}
		if headline(e.Message) != headline(raised) {
			r.text(headline(e.Message)).markup(" ")
		}
		if path := e.Fields["path"]; path != "" {
			r.markup("<small>").text(headline(e.Fields["method"] + " " + path)).markup("</small>")
		}
		r.markup("</summary>")
		if e.Count > 1 {
			r.markup(`<p class="quiet">`).word("firstseen", stamp(e.First)).markup("</p>")
		}
		if headline(e.Message) != e.Message {
			r.markup("<pre>").text(e.Message).markup("</pre>")
		}
		r.fields(e.Fields)
		if e.Worker != 0 {
			r.markup(`<p class="quiet">`).word("worker").markup(" ").number(e.Worker).markup("</p>")
		}
		r.markup("</details></li>")
	}
	return r.html()
}

// longestHeadline is how much of a text the page shows before somebody asks, in bytes.
const longestHeadline = 160

// headline is the first line of a text, or its beginning.
func headline(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > longestHeadline {
		line = strings.ToValidUTF8(line[:longestHeadline], "") + "…"
	}
	return line
}

// SettingRows are the configuration.
func (d *pageData) SettingRows() template.HTML {
	r := d.rows()
	for _, s := range d.Doc.Configuration {
		r.markup("<tr")
		if s.Origin != "default" {
			r.markup(` class="set"`)
		}
		r.markup(`><th scope="row">`).text(s.Name).markup(`</th><td class="path">`).text(s.Value).
			markup("</td><td>").text(s.Origin).markup("</td></tr>")
	}
	return r.html()
}

// recordRows are records of the log.
func (d *pageData) recordRows(records []LogRecord) template.HTML {
	r := d.rows()
	for i := range records {
		one := &records[i]
		r.markup(`<li class="`).text(one.Level).markup(`"><time>`).text(stamp(one.Time)).markup("</time> <b>").text(one.Level).markup("</b> ")
		if one.Worker != 0 {
			r.markup("<i>").number(one.Worker).markup("</i> ")
		}
		r.markup("<span>").text(one.Message).markup("</span>")
		for _, name := range slices.Sorted(maps.Keys(one.Fields)) {
			r.markup(" <q>").text(name).markup("=").text(one.Fields[name]).markup("</q>")
		}
		r.markup("</li>")
	}
	return r.html()
}
