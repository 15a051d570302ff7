package status

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/edge/local"
)

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

// page answers with the page, made for who asks. It is whole without JavaScript,
// which only keeps it up to date.
func (s *Monitor) page(v *visit) {
	q, ok := parseQuery(v.query)
	if !ok {
		respond(v, http.StatusRequestURITooLong, plainText, "the query is malformed or too long\n")
		return
	}
	h := s.pageHead()
	if v.access == full && v.session == "" && !v.bearer { // the admin listener
		v.session = s.keys.newSession()
		s.setCookie(h, v.r, v.session)
	}
	accepts := accept.Encodings(&v.r.Header)
	lang, compressed := languageOf(v.r, q), accepts.Accepts(accept.Gzip)
	data := pageData{
		view: view{Lang: lang, Full: v.access == full}, Path: s.opts.Path, Query: q,
		Proof: s.keys.proof(v.session),
	}
	s.later(v, func() func() {
		data.Doc = s.shown().doc.view(v.access == full)
		body, err := data.render(s.search)
		if err != nil {
			return func() { v.Abort(err) }
		}
		if compressed {
			body = pack(body)
			h.Add("Content-Encoding", "gzip")
		}
		return func() { send(v, http.StatusOK, h, string(body)) }
	})
}

// pageHead makes the fields of a page: nothing is run, shown or asked for that is not
// in it or here.
func (s *Monitor) pageHead() *asteri.Header {
	h := local.Head("text/html; charset=utf-8")
	h.Add("Content-Security-Policy", policy())
	h.Add("Referrer-Policy", "same-origin") // not less, or forms are sent without their Origin
	h.Add("X-Frame-Options", "DENY")
	h.Add("Cross-Origin-Opener-Policy", "same-origin")
	h.Add("Vary", "Accept-Encoding, Accept-Language, Cookie")
	return h
}

var policy = sync.OnceValue(func() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src " + hash(pageJS) + "; style-src " + hash(pageCSS) +
		"; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
})

func pack(body []byte) []byte {
	var b bytes.Buffer
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// buffers are for what is copied out of them at once.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// packers are kept: one is more than a megabyte.
var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for an unknown level only
	return w
}}

// texts are the page's templates, one for each language.
var texts = sync.OnceValue(func() (all [numLanguages]*template.Template) {
	for l := range all {
		all[l] = template.Must(template.New("").Funcs(language(l).functions()).Parse(pageHTML))
	}
	return all
})

func execute(name string, lang language, data any) (template.HTML, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	err := texts()[lang].ExecuteTemplate(b, name, data)
	return template.HTML(b.String()), err //nolint:gosec // of our own template, which has escaped what is in it
}

// view is what all parts of a page have in common.
type view struct {
	Doc  *Report
	Lang language
	Full bool
}

// pageData is what the templates are given.
type pageData struct {
	view
	Path  string
	Query url.Values
	Proof string
}

// option is one that can be chosen.
type option struct {
	Tag, Name string
	Current   bool
}

// finder looks for records of the log.
type finder func(*logQuery) (found []LogRecord, cursor uint64, lost bool)

func (d *pageData) render(log finder) ([]byte, error) {
	sections, err := d.sections()
	if err != nil {
		return nil, err
	}
	whole := struct {
		*pageData
		Title                      string
		Style                      template.CSS
		Script                     template.JS
		Done                       string
		Sections                   []section
		Languages, Levels, Sources []option
		Query                      struct{ Worker, Text string }
		Records                    template.HTML
	}{
		pageData: d, Title: d.title(), Style: template.CSS(pageCSS), Script: template.JS(pageJS), //nolint:gosec // our own files
		Sections:  sections,
		Languages: []option{{"en", "English", d.Lang == english}, {"id", "Indonesia", d.Lang == indonesian}},
	}
	if text, err := d.Lang.say("done." + d.Query.Get("done")); err == nil {
		whole.Done = text
	}
	whole.Query.Worker, whole.Query.Text = d.Query.Get("worker"), d.Query.Get("text")
	for _, name := range levels {
		whole.Levels = append(whole.Levels, option{Name: name, Current: name == d.Query.Get("level")})
	}
	for _, name := range logSources {
		whole.Sources = append(whole.Sources, option{Name: name, Current: name == d.Query.Get("source")})
	}
	if d.Full {
		whole.Records = d.recordRows(d.records(log))
	}
	html, err := execute("page", d.Lang, whole)
	return []byte(html), err
}

// records are those of the log that the form asks for. What it asks wrongly is left
// out.
func (d *pageData) records(log finder) []LogRecord {
	asked := url.Values{}
	for _, name := range []string{"level", "source", "worker", "text"} {
		if v := d.Query.Get(name); v != "" {
			asked.Set(name, v)
		}
	}
	q, wrong := readLogQuery([]byte(asked.Encode()))
	if wrong != "" {
		q = logQuery{limit: defaultLogLimit}
	}
	found, _, _ := log(&q)
	return found
}

func (d *pageData) title() string {
	if name := d.Doc.Application.Name; name != "" {
		return name
	}
	text, err := d.Lang.say("demo")
	if err != nil {
		return d.Doc.Server.Name
	}
	return text
}

// stranger is the page for who may not look, and what that needs.
func stranger(lang language, path, needs string) string {
	html, err := execute("stranger", lang, struct {
		Lang  language
		Path  string
		Needs string
		Style template.CSS
	}{lang, path, needs, template.CSS(pageCSS)}) //nolint:gosec // our own file
	if err != nil {
		return ""
	}
	return string(html)
}

// functions are what templates may call.
func (l language) functions() template.FuncMap {
	say := func(key string, args ...any) (string, error) { return l.say(key, args...) }
	return template.FuncMap{
		"t": say, "count": l.count, "rate": l.rate, "percent": l.percent, "size": l.size, "span": l.span,
		"usize": func(n uint64) string { return l.size(int64(n)) },
		"used":  func(h Host) float64 { return 1 - float64(h.Available)/float64(h.Memory) },
		"stamp": stamp,
		"list":  func(r Rates) []Rates { return []Rates{r} },
		"named": func(name string) (string, error) {
			if _, ok := words[name]; ok {
				return l.say(name)
			}
			return name, nil
		},
		"upSince": func(doc *Report) (string, error) {
			return l.say("up", l.span(doc.Server.Uptime), doc.Server.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
		},
		"sure": func(label, name string, value any, confirm string) order {
			return order{label, name, fmt.Sprint(value), confirm}
		},
	}
}

// order is a button that asks once more.
type order struct{ Label, Name, Value, Confirm string }

// chart is a picture of the last minutes.
type chart struct {
	Title, Label, Now, Most, Second string
	Lines                           []line
}

type line struct{ Class, Path string }

// chartPoints is how many points a line has; each is the highest of its seconds, so
// that no peak is lost.
const chartPoints = 100

// draw makes a line of values, in a picture of 300 by 60 whose top is most.
func draw(class string, values []float64, most float64) []line {
	if len(values) == 0 || most == 0 {
		return nil
	}
	const width, height = 300.0, 58.0
	var b strings.Builder
	per := float64(historyLength) / chartPoints
	first := chartPoints - float64(len(values))/per
	for i := range chartPoints {
		from := int((float64(i) - first) * per)
		to := int((float64(i+1) - first) * per)
		if to <= 0 {
			continue
		}
		high := 0.0
		for _, v := range values[max(from, 0):min(to, len(values))] {
			high = max(high, v)
		}
		command := byte('L')
		if b.Len() == 0 {
			command = 'M'
		}
		fmt.Fprintf(&b, "%c%.0f %.1f", command, width*(float64(i)+0.5)/chartPoints, 60-height*high/most)
	}
	return []line{{class, b.String()}}
}
