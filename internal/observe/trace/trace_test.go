package trace

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/asteri/asteri-loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is an OTLP collector.
type receiver struct {
	*httptest.Server
	hold chan struct{} // if not nil, answers wait for it

	mu       sync.Mutex
	got      []*tracepb.ResourceSpans
	headers  []http.Header
	paths    []string
	mistakes []error
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if r.hold != nil {
		<-r.hold
	}
	var export collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &export)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.mistakes = append(r.mistakes, err)
	}
	r.got = append(r.got, export.GetResourceSpans()...)
	r.headers = append(r.headers, q.Header)
	r.paths = append(r.paths, q.URL.Path)
	answer, _ := proto.Marshal(&collectorpb.ExportTraceServiceResponse{})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// spans returns all that came, by name.
func (r *receiver) spans(t *testing.T) map[string][]*tracepb.Span {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mistakes) > 0 {
		t.Fatal(r.mistakes)
	}
	all := make(map[string][]*tracepb.Span)
	for _, rs := range r.got {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				all[s.GetName()] = append(all[s.GetName()], s)
			}
		}
	}
	return all
}

func attributes(list []*commonpb.KeyValue) map[string]any {
	all := make(map[string]any)
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			all[kv.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			all[kv.GetKey()] = v.IntValue
		}
	}
	return all
}

func start(t *testing.T, endpoint string, env map[string]string, log io.Writer) *Tracer {
	t.Helper()
	tracer, err := New(Options{
		Endpoint: endpoint, Version: "1.2.3", Getenv: func(k string) string { return env[k] },
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// exchange is one of which only the request matters.
type exchange struct {
	asteri.Exchange
	r *asteri.Request
}

func (x *exchange) Request() *asteri.Request { return x.r }

var began = time.Date(2026, 11, 22, 16, 40, 0, 0, time.UTC)

func request(fields ...string) *asteri.Request {
	r := &asteri.Request{
		Method: "GET", Proto: asteri.HTTP2, Scheme: "https", Authority: []byte("example.org:8443"),
		Path: []byte("/a"), Query: []byte("x=1&sig=secret"), Received: began,
		Peer: &asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("192.0.2.7:4711")},
	}
	r.Header.Add("User-Agent", "curl/8\xff")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// serve has the tracer's handler see r, and returns what the application sees.
func serve(tracer *Tracer, r *asteri.Request) (parent, state string) {
	h := tracer.Handler(asteri.HandlerFunc(func(x asteri.Exchange) {
		parent = string(x.Request().Header.Get("traceparent"))
		for v := range x.Request().Header.Values("tracestate") {
			state += string(v)
		}
	}))
	h.ServeExchange(&exchange{r: r})
	return parent, state
}

func record(r *asteri.Request, status int, err error) *asteri.Record {
	return &asteri.Record{Request: r, Peer: r.Peer, Status: status, BytesIn: 3, BytesOut: 1234, Duration: 100 * time.Millisecond, Err: err}
}

func TestSpans(t *testing.T) {
	collector := newReceiver(t)
	tracer := start(t, collector.URL, nil, t.Output())
	r := request("Traceparent", "00-"+testTrace+"-"+testSpan+"-01", "tracestate", "a=1,b=2")
	seen, state := serve(tracer, r)
	r.Handling.ID, r.Handling.App, r.Handling.Model, r.Handling.Worker = "abc", "/shop", "gthread", 99
	r.Handling.Queued, r.Handling.Worked = 20*time.Millisecond, 70*time.Millisecond
	tracer.ExchangeDone(record(r, 504, &asteri.StatusError{Code: 504, Reason: "late"}))
	tracer.Close(time.Minute)

	all := collector.spans(t)
	if len(all["GET"]) != 1 || len(all["queue"]) != 1 || len(all["application"]) != 1 {
		t.Fatalf("spans: %v", all)
	}
	server, queue, application := all["GET"][0], all["queue"][0], all["application"][0]
	id := hex.EncodeToString(server.GetSpanId())
	if seen != "00-"+testTrace+"-"+id+"-01" || state != "a=1,b=2" {
		t.Errorf("the application saw %s and %q", seen, state)
	}
	if hex.EncodeToString(server.GetTraceId()) != testTrace || hex.EncodeToString(server.GetParentSpanId()) != testSpan ||
		server.GetTraceState() != "a=1,b=2" || server.GetKind() != tracepb.Span_SPAN_KIND_SERVER || r.Handling.Trace.ID() != testTrace {
		t.Errorf("the server's span: %v", server)
	}
	times := func(s *tracepb.Span, from, to time.Duration) {
		t.Helper()
		if s.GetStartTimeUnixNano() != uint64(began.Add(from).UnixNano()) || s.GetEndTimeUnixNano() != uint64(began.Add(to).UnixNano()) {
			t.Errorf("%s is from %v to %v", s.GetName(), time.Unix(0, int64(s.GetStartTimeUnixNano())), time.Unix(0, int64(s.GetEndTimeUnixNano())))
		}
	}
	times(server, 0, 100*time.Millisecond)
	times(queue, 10*time.Millisecond, 30*time.Millisecond)
	times(application, 30*time.Millisecond, 100*time.Millisecond)
	for _, s := range []*tracepb.Span{queue, application} {
		if !bytes.Equal(s.GetParentSpanId(), server.GetSpanId()) || !bytes.Equal(s.GetTraceId(), server.GetTraceId()) || bytes.Equal(s.GetSpanId(), server.GetSpanId()) {
			t.Errorf("a child: %v", s)
		}
	}
	got := attributes(server.GetAttributes())
	for name, want := range map[string]any{
		"http.request.method": "GET", "url.scheme": "https", "url.path": "/a", "url.query": "x=1&sig=REDACTED", "network.protocol.version": "2",
		"client.address": "192.0.2.7", "network.peer.address": "192.0.2.7", "network.peer.port": int64(4711), "server.address": "example.org", "server.port": int64(8443),
		"user_agent.original": "curl/8\uFFFD", "http.response.status_code": int64(504), "error.type": "504", "http.request.body.size": int64(3),
		"http.response.body.size": int64(1234), "asteri.request_id": "abc",
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if server.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("status %v", server.GetStatus())
	}
	if got := attributes(application.GetAttributes()); got["asteri.app"] != "/shop" || got["asteri.worker.model"] != "gthread" || got["asteri.worker.pid"] != int64(99) {
		t.Errorf("the application's: %v", got)
	}
	if about := attributes(collector.got[0].GetResource().GetAttributes()); about["service.name"] != "asteri-loop" || about["asteri.version"] != "1.2.3" || about["telemetry.sdk.name"] != "opentelemetry" {
		t.Errorf("the resource: %v", about)
	}
	if collector.paths[0] != "/v1/traces" || tracer.Stats() != (Stats{Exported: 3}) {
		t.Errorf("%v, %+v", collector.paths, tracer.Stats())
	}
}

func TestTraceBeginsHere(t *testing.T) {
	collector := newReceiver(t)
	tracer := start(t, collector.URL, nil, t.Output())
	for name, fields := range map[string][]string{
		"none":               {},
		"malformed":          {"traceparent", "00-" + testTrace + "-" + testSpan},
		"several":            {"traceparent", "00-" + testTrace + "-" + testSpan + "-01", "traceparent", "00-" + testTrace + "-" + testSpan + "-01"},
		"a state on its own": {"tracestate", "a=1"},
	} {
		r := request(fields...)
		seen, state := serve(tracer, r)
		c, ok := parseParent([]byte(seen))
		if !ok || !c.sampled || strings.Contains(seen, testTrace) || state != "" || c.traceID != r.Handling.Trace.TraceID || r.Handling.Trace.ParentID != [8]byte{} {
			t.Errorf("%s: the application saw %q and %q", name, seen, state)
		}
		tracer.ExchangeDone(record(r, 200, nil))
	}
	tracer.Close(time.Minute)
	for _, s := range collector.spans(t)["GET"] {
		if len(s.GetParentSpanId()) != 0 || s.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
			t.Errorf("%v", s)
		}
	}
}

func TestTracestate(t *testing.T) {
	tracer := start(t, "http://127.0.0.1:9", nil, io.Discard)
	defer tracer.Close(0)
	from := []string{"traceparent", "00-" + testTrace + "-" + testSpan + "-00"}
	for in, want := range map[string]string{
		"a=1":                    "a=1",
		"t@v=x y":                "t@v=x y",
		"a=1,a=2":                "",
		"A=1":                    "",
		"a":                      "",
		strings.Repeat("a", 600): "",
		"a=" + strings.Repeat("b", 300) + ",b=" + strings.Repeat("b", 300): "",
	} {
		if _, got := serve(tracer, request(append(from, "tracestate", in)...)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	r := request(append(from, "tracestate", "a=1", "tracestate", "b=2")...)
	if _, state := serve(tracer, r); state != "a=1b=2" || r.Handling.Trace.State != "a=1,b=2" {
		t.Errorf("%q, %q", state, r.Handling.Trace.State)
	}
}

func TestSamplers(t *testing.T) {
	const sampled, not = "00-" + testTrace + "-" + testSpan + "-01", "00-" + testTrace + "-" + testSpan + "-00"
	for _, tc := range []struct {
		name, arg         string
		of, ofNot, ofNone bool
	}{
		{"", "", true, false, true},
		{"always_on", "", true, true, true},
		{"always_off", "", false, false, false},
		{"parentbased_always_off", "", true, false, false},
		{"parentbased_traceidratio", "0", true, false, false},
		{"traceidratio", "0", false, false, false},
		{"traceidratio", "", true, true, true},
		{"traceidratio", "half", true, true, true},
		{"lottery", "", true, false, true},
	} {
		tracer := start(t, "http://127.0.0.1:9", map[string]string{"OTEL_TRACES_SAMPLER": tc.name, "OTEL_TRACES_SAMPLER_ARG": tc.arg}, io.Discard)
		for in, want := range map[string]bool{sampled: tc.of, not: tc.ofNot, "": tc.ofNone} {
			r := request("traceparent", in)
			seen, _ := serve(tracer, r)
			if r.Handling.Trace.Sampled != want || strings.HasSuffix(seen, "-01") != want {
				t.Errorf("%s: %q became %q", tc.name, in, seen)
			}
			if !want {
				tracer.ExchangeDone(record(r, 200, nil))
			}
		}
		if n := len(tracer.queue.take(true)); n != 0 {
			t.Errorf("%s: %d spans of what is not recorded", tc.name, n)
		}
		tracer.Close(0)
	}
}

func TestOutcomes(t *testing.T) {
	collector := newReceiver(t)
	tracer := start(t, collector.URL, nil, t.Output())
	for _, tc := range []struct {
		status int
		err    error
	}{{200, nil}, {404, nil}, {413, &asteri.StatusError{Code: 413}}, {0, asteri.ErrClientGone}, {200, errors.New("cut\xff")}, {500, nil}} {
		r := request()
		r.Method = "BREW"
		serve(tracer, r)
		tracer.ExchangeDone(record(r, tc.status, tc.err))
	}
	tracer.Close(time.Minute)
	var got []string
	for _, s := range collector.spans(t)["HTTP"] {
		a := attributes(s.GetAttributes())
		kind, _ := a["error.type"].(string)
		got = append(got, kind+":"+s.GetStatus().GetCode().String()[len("STATUS_CODE_"):])
		if a["http.request.method"] != "_OTHER" || a["http.request.method_original"] != "BREW" {
			t.Errorf("%v", a)
		}
	}
	if want := ":UNSET :UNSET refused:UNSET client_gone:UNSET failed:ERROR 500:ERROR"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTunnel(t *testing.T) {
	collector := newReceiver(t)
	tracer := start(t, collector.URL, nil, t.Output())
	r := request()
	serve(tracer, r)
	r.Received = time.Now().Add(-time.Hour)
	closed := tracer.TunnelOpened(record(r, 101, nil))
	closed(10, 20, nil)
	tracer.Close(time.Minute)
	s := collector.spans(t)["GET"][0]
	if a := attributes(s.GetAttributes()); a["http.response.status_code"] != int64(101) || a["http.request.body.size"] != int64(13) || a["http.response.body.size"] != int64(1254) {
		t.Errorf("%v", a)
	}
	if took := time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()); took < time.Hour {
		t.Errorf("%v", took)
	}
	if tracer.TunnelOpened(record(request(), 101, nil)) != nil {
		t.Error("a request without a trace is followed")
	}
}

// A collector that does not answer costs spans, and nobody waits for it.
func TestSlowCollector(t *testing.T) {
	collector := newReceiver(t)
	collector.hold = make(chan struct{})
	defer close(collector.hold)
	var log bytes.Buffer
	tracer := start(t, collector.URL, map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5", "OTEL_BSP_SCHEDULE_DELAY": "1"}, &log)
	const requests = 1000
	for range requests {
		r := request()
		serve(tracer, r)
		tracer.ExchangeDone(record(r, 200, nil))
	}
	if lost := tracer.Stats().Lost; lost < requests-30 {
		t.Errorf("%d lost", lost)
	}
	tracer.Close(time.Millisecond)
	if s := tracer.Stats(); s.Lost != requests || s.Exported != 0 {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(log.String(), "spans were lost") {
		t.Errorf("nobody was told: %s", log.String())
	}
}

func TestEnvironment(t *testing.T) {
	collector := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.URL+"/else/where")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=abc")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
	tracer := start(t, "", map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "soon"}, io.Discard)
	r := request()
	serve(tracer, r)
	tracer.ExchangeDone(record(r, 200, nil))
	tracer.Close(time.Minute)
	if len(collector.spans(t)["GET"]) != 1 || collector.paths[0] != "/else/where" || collector.headers[0].Get("X-Token") != "abc" || collector.headers[0].Get("Content-Encoding") != "gzip" {
		t.Errorf("%v, %v", collector.paths, collector.headers)
	}
	if about := attributes(collector.got[0].GetResource().GetAttributes()); about["service.name"] != "shop" || about["deployment.environment"] != "test" {
		t.Errorf("%v", about)
	}
}

func TestWanted(t *testing.T) {
	for _, tc := range []struct {
		endpoint string
		env      map[string]string
		want     bool
	}{
		{"", nil, false},
		{"http://a", nil, true},
		{"", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, true},
		{"http://a", map[string]string{"OTEL_SDK_DISABLED": "true"}, false},
		{"http://a", map[string]string{"OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := Wanted(tc.endpoint, func(k string) string { return tc.env[k] }); got != tc.want {
			t.Errorf("%q, %v: %v", tc.endpoint, tc.env, got)
		}
	}
}

// What is left to do off the loops for a request that is recorded: its span, and its part of a
// message to the collector.
func BenchmarkSpan(b *testing.B) {
	all := newBatch(resource.Empty(), "1.2.3")
	r := request()
	r.Handling.Trace = asteri.Trace{TraceID: [16]byte{1}, SpanID: [8]byte{1}, Sampled: true}
	f := finish(record(r, 200, nil))
	b.ReportAllocs()
	for b.Loop() {
		all.makeSpans(f)
		if all.used == 512 {
			if _, err := proto.Marshal(all.about); err != nil {
				b.Fatal(err)
			}
			all.reset()
		}
	}
}

func BenchmarkBegin(b *testing.B) {
	tracer, err := New(Options{Endpoint: "http://127.0.0.1:9", Getenv: func(string) string { return "" }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer tracer.Close(0)
	r := request()
	b.ReportAllocs()
	for b.Loop() {
		r.Header.Reset()
		tracer.begin(r)
	}
}
