package status

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/loop"
)

// scraped is a server of which everything is to be told.
func scraped(t *testing.T) (asteri.Handler, *stats.Exchanges) {
	t.Helper()
	home := exchangetest.NewExecutor(t)
	lost := uint64(1)
	m := New(Options{
		MetricsPath: "/metrics", Homes: []asteri.Executor{home},
		Report: func() Report {
			return Report{
				Server:      Server{Name: "test", Version: "1", PID: os.Getpid(), Started: time.Unix(1, 0), Uptime: 2},
				Connections: 4, HTTP3: &HTTP3{Connections: 1, Accepted: 2, Errors: map[string]uint64{"H3_FRAME_ERROR": 1}},
				Certificates: []Certificate{{Name: "shop.example", NotAfter: time.Unix(2, 0)}},
				Loops:        []Loop{{Active: true, Connections: 3, Accepted: 5}}, WebSockets: &WebSockets{Failures: map[string]uint64{"too long": 1}},
				Workers: []Worker{{PID: os.Getpid(), Model: "sync", State: "BUSY", At: "/shop", Served: 9, InFlight: 1}, {State: "STARTING"}},
			}
		},
		Measures: func() Measures {
			return Measures{
				Engine: loop.Stats{
					Protocols: []loop.ProtocolStats{{Open: 1}, {Protocol: "h2", Open: 2}}, Refused: map[string]uint64{"unrecognized": 1},
					Handshaken: []loop.HandshakeStats{{Count: 1}, {Version: tls.VersionTLS13, Resumed: true, Count: 2}},
				},
				Pools:        []PoolMeasures{{App: "/shop", QueueSize: 8, Scaling: &Scaling{Wanted: 3, Least: 2, Most: 8, Load: 1.5}, Started: 2, Exited: map[string]uint64{"crashed": 1}, MetricsDropped: map[string]uint64{"series": 1}}},
				LogLinesLost: map[string]uint64{"access": 0}, StatsdLost: &lost,
			}
		},
	})
	t.Cleanup(m.Close)
	counts := m.counts
	for i, err := range []error{nil, nil, &asteri.StatusError{Code: 503, Reason: "full"}, errors.New("?")} {
		counts.ExchangeDone(&asteri.Record{
			Home: home, Status: 200 + 300*(i/2), Duration: 3 * time.Millisecond, BytesIn: 1, BytesOut: 2, BytesSent: 3, Err: err,
			Request: &asteri.Request{Method: "GET", Proto: asteri.HTTP11, Handling: asteri.Handling{
				App: "/shop\xff", Model: "sync", Queued: time.Millisecond, Worked: 2 * time.Millisecond}},
		})
	}
	counts.ExchangeDone(&asteri.Record{Home: home, Status: 400, Err: &asteri.StatusError{Code: 400, Reason: "bad"}})
	return m.Handler(asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(299, nil, nil) })), counts
}

func scrape(t *testing.T, h asteri.Handler, remote string, fields ...string) exchangetest.Result {
	t.Helper()
	r := asteri.Request{
		Method: "GET", Target: []byte("/metrics"), Path: []byte("/metrics"), Proto: asteri.HTTP11, Authority: []byte("localhost"),
		Peer: &asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort(remote)},
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return exchangetest.New(t, exchangetest.NewExecutor(t), r).Answer(h)
}

const near = "127.0.0.1:5000"

// parse reads the text format, and fails the test if it is none.
func parse(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return families
}

// Every metric of the table is served, with its type and labels, and there are no
// others of the server's.
func TestAllMetricsAreServed(t *testing.T) {
	h, _ := scraped(t)
	families := parse(t, scrape(t, h, near).Body)
	for _, m := range Metrics() {
		f := families[m.Name]
		if f == nil {
			t.Errorf("%s is missing", m.Name)
			continue
		}
		if got := strings.ToLower(f.GetType().String()); got != m.Type {
			t.Errorf("%s is a %s", m.Name, got)
		}
		for _, one := range f.Metric {
			var labels []string
			for _, l := range one.Label {
				labels = append(labels, l.GetName())
			}
			if want := slices.Sorted(slices.Values(m.Labels)); !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %q, want %q", m.Name, labels, want)
			}
		}
		delete(families, m.Name)
	}
	for name := range families {
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s is in no table", name)
		}
	}
}

// value returns the sum of a metric over the series with these labels.
func value(families map[string]*dto.MetricFamily, name string, labels map[string]string) (sum float64, series int) {
	for _, m := range families[name].GetMetric() {
		own := map[string]string{}
		for _, l := range m.Label {
			if _, ok := labels[l.GetName()]; ok {
				own[l.GetName()] = l.GetValue()
			}
		}
		if maps.Equal(own, labels) {
			series++
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetSummary().GetSampleCount()) + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum, series
}

func TestMetricValues(t *testing.T) {
	h, _ := scraped(t)
	families := parse(t, scrape(t, h, near).Body)
	for _, tc := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"asteri_requests_total", map[string]string{"method": "GET", "protocol": "HTTP/1.1", "status_class": "2xx", "model": "sync", "app": "/shop\uFFFD"}, 2},
		{"asteri_requests_total", map[string]string{"status_class": "5xx"}, 2},
		{"asteri_request_duration_seconds", map[string]string{}, 4},
		{"asteri_request_queue_seconds", map[string]string{}, 4},
		{"asteri_sent_bytes_total", map[string]string{"protocol": "HTTP/1.1"}, 12},
		{"asteri_requests_refused_total", map[string]string{"status": "503", "reason": "full"}, 1},
		{"asteri_requests_malformed_total", map[string]string{"status": "400", "reason": "bad"}, 1},
		{"asteri_requests_unclean_total", map[string]string{"reason": "refused"}, 1},
		{"asteri_requests_unclean_total", map[string]string{"reason": "failed"}, 1},
		{"asteri_connections", map[string]string{"protocol": "h2", "state": "open"}, 2},
		{"asteri_connections", map[string]string{"protocol": "h3", "state": "open"}, 1},
		{"asteri_connections", map[string]string{"state": "new"}, 1},
		{"asteri_tls_handshakes_total", map[string]string{"version": "TLS 1.3", "resumed": "true"}, 2},
		{"asteri_tls_handshakes_failed_total", map[string]string{}, 1},
		{"asteri_workers", map[string]string{"state": "busy", "app": "/shop"}, 1},
		{"asteri_workers_exited_total", map[string]string{"cause": "crashed", "app": "/shop"}, 1},
		{"asteri_active_connections", map[string]string{}, 4},
		{"asteri_workers_count", map[string]string{}, 1},
		{"asteri_uptime_seconds", map[string]string{}, 2},
		{"http_server_duration_milliseconds", map[string]string{"http_method": "GET", "http_flavor": "1.1", "http_status_code": "2xx"}, 2},
	} {
		if got, series := value(families, tc.name, tc.labels); got != tc.want || series == 0 {
			t.Errorf("%s%v is %v in %d series, want %v", tc.name, tc.labels, got, series, tc.want)
		}
	}
	worked := families["asteri_request_application_seconds"].Metric[0].Histogram
	if sum := worked.GetSampleSum(); sum < 0.0039 || sum > 0.0041 {
		t.Errorf("two requests of 2 ms took %v s", sum)
	}
	for _, b := range worked.Bucket {
		if want := 2 * uint64(index(b.GetUpperBound() >= 0.002)); b.GetCumulativeCount() != want {
			t.Errorf("%d up to %v", b.GetCumulativeCount(), b.GetUpperBound())
		}
	}
}

// What a scraper takes decides the form.
func TestForms(t *testing.T) {
	h, _ := scraped(t)
	for accept, want := range map[string]string{
		"":    "text/plain; version=0.0.4; charset=utf-8",
		"*/*": "text/plain; version=0.0.4; charset=utf-8",
		"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5":                                   "application/openmetrics-text; version=1.0.0; charset=utf-8",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,text/plain;q=0.1": "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
	} {
		r := scrape(t, h, near, "Accept", accept)
		if got := string(r.Header.Get("Content-Type")); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", accept, got)
		}
		if strings.Contains(want, "openmetrics") && !bytes.HasSuffix(r.Body, []byte("# EOF\n")) {
			t.Error("OpenMetrics has no end")
		}
		if strings.Contains(want, "protobuf") {
			checkNative(t, r.Body)
		}
	}
}

// checkNative looks for the native buckets of a histogram.
func checkNative(t *testing.T, body []byte) {
	t.Helper()
	d := expfmt.NewDecoder(bufio.NewReader(bytes.NewReader(body)), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		var f dto.MetricFamily
		if err := d.Decode(&f); err != nil {
			t.Fatalf("no histogram: %v", err)
		}
		if f.GetName() != "asteri_request_duration_seconds" {
			continue
		}
		hist := f.Metric[0].Histogram
		n, total := int64(0), hist.GetZeroCount()
		for _, delta := range hist.PositiveDelta {
			n += delta
			total += uint64(n)
		}
		// 3 ms is in the bucket up to 2^(-67/8) s, 3.0 ms.
		if hist.GetSchema() != 3 || total != hist.GetSampleCount() || total == 0 || hist.PositiveSpan[0].GetOffset() != -67 {
			t.Errorf("%v", hist)
		}
		return
	}
}

func TestGzip(t *testing.T) {
	h, _ := scraped(t)
	r := scrape(t, h, near, "Accept-Encoding", "gzip, deflate")
	if string(r.Header.Get("Content-Encoding")) != "gzip" {
		t.Fatalf("%v", r.Header)
	}
	z, err := gzip.NewReader(bytes.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	parse(t, text)
}

// Who may not look asks the application.
func TestMetricsAreForWhoMayLook(t *testing.T) {
	h, _ := scraped(t)
	if r := scrape(t, h, "192.0.2.1:5000"); r.Status != 299 {
		t.Errorf("a stranger: %d", r.Status)
	}
	if r := scrape(t, h, near, "X-Forwarded-For", "192.0.2.1"); r.Status != 299 {
		t.Errorf("a proxied one: %d", r.Status)
	}
	if r := scrape(t, h, near); r.Status != 200 {
		t.Errorf("a local one: %d", r.Status)
	}
}

// Scrapes that come together are answered all.
func TestScrapesTogether(t *testing.T) {
	h, _ := scraped(t)
	results := make(chan int, 20)
	for range cap(results) {
		go func() { results <- scrape(t, h, near).Status }()
	}
	for range cap(results) {
		if status := <-results; status != 200 {
			t.Errorf("%d", status)
		}
	}
}

// An empty native histogram and one with gaps keep the rules of spans.
func TestNativeSpans(t *testing.T) {
	at := exchangetest.NewExecutor(t)
	counts := stats.New()
	for _, d := range []time.Duration{time.Millisecond, time.Millisecond, time.Second, 1050 * time.Millisecond} {
		counts.ExchangeDone(&asteri.Record{Home: at, Status: 200, Duration: d, Request: &asteri.Request{}})
	}
	var full, empty dto.Histogram
	addNative(&full, counts.Snapshot().Totals[0].Duration.Native)
	addNative(&empty, new(stats.Distribution).Native)
	if len(full.PositiveSpan) != 2 || len(empty.PositiveSpan) != 1 || len(empty.PositiveDelta) != 0 {
		t.Fatalf("%v; %v", full.PositiveSpan, empty.PositiveSpan)
	}
	// 1 ms: (2^(-80/8), 2^(-79/8)]; 1 s: the bucket that ends at 2^0; 1.05 s: the next one.
	first, second := full.PositiveSpan[0], full.PositiveSpan[1]
	if first.GetOffset() != -79 || first.GetLength() != 1 || second.GetOffset() != 78 || second.GetLength() != 2 {
		t.Errorf("%v, deltas %v", full.PositiveSpan, full.PositiveDelta)
	}
}

// docs/metrics.md has the table.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*$").FindAllStringSubmatch(string(text), -1) {
		rows[row[1]] = row[0]
	}
	for _, m := range Metrics() {
		if rows[m.Name] != m.Row() {
			t.Errorf("docs/metrics.md has\n%s\nwant\n%s", rows[m.Name], m.Row())
		}
		delete(rows, m.Name)
	}
	for name := range rows {
		t.Errorf("%s is documented, but there is no such metric", name)
	}
}
