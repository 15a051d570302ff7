package status

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

const schemaFile = "../docs/status.schema.json"

// closeObjects makes a schema refuse fields that it does not know. The published one
// lets programs of today read documents of tomorrow.
func closeObjects(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		for _, inner := range schema {
			closeObjects(inner)
		}
		if _, ok := schema["required"]; ok {
			schema["additionalProperties"] = false
		}
	case []any:
		for _, inner := range schema {
			closeObjects(inner)
		}
	}
}

// compiled returns the published schema, or what a definition in it says.
func compiled(t *testing.T, fragment string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("status.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("status.json" + fragment)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
}

// fill gives every field of a value something to show.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Uint64:
		v.SetUint(1)
	default:
		v.SetInt(1)
	}
}

// Every field there is fits the schema, which knows no others.
func TestSchemaKnowsAllFields(t *testing.T) {
	var doc Report
	fill(reflect.ValueOf(&doc).Elem())
	doc.Access, doc.Workers[0].State, doc.Requests[0].State = "full", "BUSY", "RUNNING"
	doc.Application.State, doc.Mounts[0].State = ApplicationFailed, ApplicationFailed
	for _, r := range []*LogRecord{&doc.Errors[0].LogRecord, doc.Workers[0].LastError} {
		r.Level, r.Source = "ERROR", "worker"
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	validate(t, compiled(t, ""), text)
	page, err := json.Marshal(LogPage{Records: []LogRecord{doc.Errors[0].LogRecord}, Cursor: 1, Lost: true})
	if err != nil {
		t.Fatal(err)
	}
	validate(t, compiled(t, "#/$defs/logs"), page)
}

// What is answered fits, for all who may look.
func TestAnswersFitTheSchema(t *testing.T) {
	log := NewLog()
	slog.New(log.Handler(slog.DiscardHandler, "pid")).Info("what the log itself does not want")
	log.Append(LogRecord{Time: time.Now(), Level: "ERROR", Source: "worker", Worker: 7, Message: "broken", Fields: map[string]string{"a": "b"}})
	m := newMonitor(t, Options{Log: log, Configuration: func() []Setting { return []Setting{{"workers", "1", "default"}} }})
	h := m.Handler(application)
	for _, fields := range [][]string{nil, bearerToken} {
		got := ask(t, h, query{target: "/asteri-status.json", fields: fields})
		validate(t, compiled(t, ""), got.Body)
		if strings.Contains(string(got.Body), "broken") != (fields != nil) {
			t.Error("errors are for who has the token")
		}
	}
	got := ask(t, h, query{target: "/asteri-status/logs", fields: bearerToken})
	validate(t, compiled(t, "#/$defs/logs"), got.Body)
	if !strings.Contains(string(got.Body), "broken") {
		t.Errorf("%s", got.Body)
	}
}

// Requests in flight are shown from when the application has them until it is done.
func TestRequestsInFlight(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	m := newMonitor(t, Options{Homes: []asteri.Executor{e}})
	h := m.Handler(asteri.HandlerFunc(func(x asteri.Exchange) {
		x.OnCancel(func(error) {})
		x.Request().Handling.ID = "the-id"
		x.Request().Handling.Progress = placed{7, true}
	}))
	x := query{target: "/wait?secret=1", remote: "192.0.2.1:1"}.exchange(t, e)
	x.Serve(h)
	requests := func() []Request { return m.gather().Requests }
	got := requests()
	if len(got) != 1 || got[0].Path != "/wait" || got[0].Worker != 7 || got[0].State != "RUNNING" || got[0].ID != "the-id" {
		t.Fatalf("%+v", got)
	}
	e.Do(func() { m.ExchangeDone(&asteri.Record{Request: x.Request(), Peer: x.Request().Peer, Home: e}) })
	if got := requests(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := m.gather().Traffic.TLS; got["none"] != 1 {
		t.Errorf("%v", got)
	}
	e.Do(func() { _ = x.Finish(nil) })
}

type placed struct {
	worker int
	begun  bool
}

func (p placed) Place() (int, bool) { return p.worker, p.begun }

// stuck is an executor that comes to nothing.
type stuck struct{ asteri.Executor }

func (stuck) Post(func()) bool { return true }

// A loop that is blocked does not keep the document waiting, and its lag grows.
func TestBlockedLoop(t *testing.T) {
	m := newMonitor(t, Options{Homes: []asteri.Executor{stuck{}}})
	m.gather()
	first := m.gather().Loops[0].Lag
	exchangetest.Eventually(t, "the lag grows", func() bool { return m.gather().Loops[0].Lag > first })
}

func TestTraffic(t *testing.T) {
	counts := stats.New()
	s := newSampler(counts)
	begin := time.Now()
	s.last = s.total(begin)
	s.marks = append(s.marks, s.last)
	done := func(app string, proto asteri.Proto, status int, d time.Duration) {
		counts.ExchangeDone(&asteri.Record{
			Request: &asteri.Request{Method: "GET", Proto: proto, Handling: asteri.Handling{App: app}},
			Peer:    &asteri.Peer{Remote: netip.AddrPort{}}, Status: status, Duration: d,
		})
	}
	for second := range 90 {
		for range 10 {
			done("", asteri.HTTP11, 200, 10*time.Millisecond)
		}
		done("", asteri.HTTP2, 500, time.Second)
		done(OwnApp, asteri.HTTP11, 200, time.Hour)
		s.sample(s.total(begin.Add(time.Duration(second+1)*time.Second)), second)
	}
	var doc Report
	s.fill(&doc)
	all := doc.Traffic.All
	if all.Requests != 990 || all.Rate < 10.9 || all.Rate > 11.1 || all.P50 > 0.011 || all.P99 < 0.9 || all.P99 > 1.1 {
		t.Errorf("%+v", all)
	}
	if w := doc.Traffic.Window; w < 50 || w > 60 {
		t.Errorf("window of %v s", w)
	}
	names := func(rates []Rates) (all []string) {
		for _, r := range rates {
			all = append(all, r.Name)
		}
		return all
	}
	if got := append(names(doc.Traffic.Protocols), names(doc.Traffic.Classes)...); !slices.Equal(got, []string{"HTTP/1.1", "HTTP/2", "2xx", "5xx"}) {
		t.Errorf("%v", got)
	}
	h := doc.History
	if len(h.Requests) != 90 || h.Requests[89] != 11 || h.Errors[89] != 1 || h.InFlight[89] != 89 {
		t.Errorf("%+v", h)
	}
	for range 2 * historyLength {
		s.sample(s.total(begin.Add(time.Hour)), 0)
	}
	if len(s.seconds) != historyLength || len(s.marks) > 8 {
		t.Errorf("%d seconds, %d marks", len(s.seconds), len(s.marks))
	}
}

// Why an application is down may have anything in it, so it is for who has the token; that it
// is down is for all who may look.
func TestApplicationsThatAreDown(t *testing.T) {
	failed := Application{Name: "shop:app", State: ApplicationFailed, Error: "the secret reason"}
	m := newMonitor(t, Options{Report: func() Report { return Report{Application: failed, Mounts: []Application{failed}, Loops: []Loop{{}}} }})
	h := m.Handler(application)
	for _, fields := range [][]string{nil, bearerToken} {
		got := ask(t, h, query{target: "/asteri-status.json", fields: fields})
		validate(t, compiled(t, ""), got.Body)
		shown, down := strings.Count(string(got.Body), "the secret reason"), strings.Count(string(got.Body), "FAILED")
		if want := 2 * index(fields != nil); shown != want || down != 2 {
			t.Errorf("%v: %d reasons, want %d, and %d states", fields, shown, want, down)
		}
	}
	if doc := m.Document(); doc.Access != "full" || doc.Mounts[0].Error == "" {
		t.Errorf("%+v", doc)
	}
}

// A monitor that is unseen leaves all paths to the application, and knows its requests.
func TestUnseen(t *testing.T) {
	m := newMonitor(t, Options{Unseen: true, MetricsPath: "/metrics"})
	for _, path := range []string{"/asteri-status", "/asteri-status.json", "/asteri-status/action", "/livez", "/readyz", "/metrics"} {
		if got := ask(t, m.Handler(application), query{target: path, fields: bearerToken}); string(got.Body) != "application" {
			t.Errorf("%s: %d %.60s", path, got.Status, got.Body)
		}
	}
	before := m.gather().InFlight // no observer is told of the end of those above
	m.Handler(asteri.HandlerFunc(func(asteri.Exchange) {
		if n := m.gather().InFlight; n != before+1 {
			t.Errorf("%d in flight, and %d before", n, before)
		}
	})).ServeExchange(query{target: "/x"}.exchange(t, exchangetest.NewExecutor(t)))
}
