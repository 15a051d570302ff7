package status

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/exchangetest"
)

// query is a request of one kind of client.
type query struct {
	method, target, host, remote string
	proto                        asteri.Proto
	fields                       []string // name, value, ...
	proxied                      bool
}

func ask(t *testing.T, h asteri.Handler, q query) exchangetest.Result {
	t.Helper()
	if q.host == "" {
		q.host = "localhost:8000"
	}
	if q.remote == "" {
		q.remote = "127.0.0.1:5000"
	}
	r := asteri.Request{Method: q.method, Target: []byte(q.target), Proto: q.proto, Authority: []byte(q.host), Peer: &asteri.Peer{Network: "tcp"}}
	if q.proxied {
		r.Peer.Proxy = &asteri.Proxy{}
	}
	if q.remote != "unix" {
		r.Peer.Remote = netip.MustParseAddrPort(q.remote)
	}
	for i := 0; i < len(q.fields); i += 2 {
		r.Header.Add(q.fields[i], q.fields[i+1])
	}
	return exchangetest.New(t, exchangetest.NewExecutor(t), r).Answer(h)
}

func newHandler(o Options) asteri.Handler {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	o.Report = func() Report { return Report{Server: Server{Name: "test", PID: 5}, Workers: []Worker{{PID: 7}}} }
	app := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(299, nil, []byte("application")) })
	return Handler(app, o)
}

// What a client may see, by who it is.
func TestWhoMayLook(t *testing.T) {
	h := newHandler(Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for name, tc := range map[string]struct {
		query
		may bool
	}{
		"loopback":               {query{}, true},
		"loopback, IPv6":         {query{remote: "[::1]:5000", host: "[::1]:8000"}, true},
		"loopback, mapped":       {query{remote: "[::ffff:127.0.0.1]:5000", host: "127.0.0.1"}, true},
		"HTTP/2":                 {query{proto: asteri.HTTP2}, true},
		"allowed network":        {query{remote: "10.1.2.3:5000", host: "10.0.0.1:8000"}, true},
		"elsewhere":              {query{remote: "192.0.2.1:5000"}, false},
		"Unix socket":            {query{remote: "unix"}, false},
		"HTTP/1.0":               {query{proto: asteri.HTTP10}, false},
		"Forwarded":              {query{fields: []string{"forwarded", "for=192.0.2.1"}}, false},
		"X-Forwarded-For":        {query{fields: []string{"X-Forwarded-For", "192.0.2.1"}}, false},
		"X-Forwarded-Proto":      {query{fields: []string{"x-forwarded-proto", "https"}}, false},
		"X-Real-IP":              {query{fields: []string{"X-Real-IP", "192.0.2.1"}}, false},
		"Via":                    {query{fields: []string{"Via", "1.1 proxy"}}, false},
		"allowed, but forwarded": {query{remote: "10.1.2.3:5000", host: "10.0.0.1", fields: []string{"Via", "1.1 proxy"}}, false},
		"PROXY header":           {query{proxied: true}, false},
		"PROXY header, allowed":  {query{remote: "10.1.2.3:5000", host: "10.0.0.1", proxied: true}, true},
		"rebound name":           {query{host: "evil.example:8000"}, false},
		"name like an address":   {query{host: "127.0.0.1.evil.example"}, false},
		"name like localhost":    {query{host: "localhost.evil.example"}, false},
		"capitals":               {query{host: "LOCALHOST"}, true},
	} {
		for _, path := range []string{LivePath, ReadyPath, JSONPath, pagePrefix} {
			q := tc.query
			q.target = path
			want := 200
			switch ours := strings.HasPrefix(path, pagePrefix); {
			case !tc.may && ours:
				want = 403
			case !tc.may:
				want = 299
			case path == pagePrefix:
				want = 404
			}
			if got := ask(t, h, q); got.Status != want {
				t.Errorf("%s asks %s: %d, want %d", name, path, got.Status, want)
			}
		}
	}
}

func TestOnlyExactPaths(t *testing.T) {
	h := newHandler(Options{})
	for target, want := range map[string]int{
		"/": 299, "/livez/": 299, "/livez?verbose": 200, "/LIVEZ": 299, "/%6civez": 299, "/x/livez": 299,
		"/asteri-statusx": 299, "/asteri-status.jsonx": 299, "/asteri-status/": 404, "/asteri-status/logs": 404,
	} {
		if got := ask(t, h, query{target: target}); got.Status != want {
			t.Errorf("%s: %d, want %d", target, got.Status, want)
		}
	}
}

func TestMethods(t *testing.T) {
	h := newHandler(Options{})
	got := ask(t, h, query{method: "POST", target: LivePath})
	if got.Status != 405 || string(got.Header.Get("Allow")) != "GET, HEAD" {
		t.Errorf("%d %q", got.Status, got.Header.Get("Allow"))
	}
	if got := ask(t, h, query{method: "HEAD", target: LivePath}); got.Status != 200 {
		t.Errorf("HEAD: %d", got.Status)
	}
}

func TestNotReady(t *testing.T) {
	h := newHandler(Options{Ready: func() error { return errors.New("no worker is ready") }})
	if got := ask(t, h, query{target: ReadyPath}); got.Status != 503 || string(got.Body) != "no worker is ready\n" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	if got := ask(t, h, query{target: LivePath}); got.Status != 200 || string(got.Body) != "ok\n" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	var doc Report
	if err := json.Unmarshal(ask(t, h, query{target: JSONPath}).Body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Ready || doc.Reason != "no worker is ready" {
		t.Errorf("%+v", doc)
	}
}

func TestReport(t *testing.T) {
	got := ask(t, newHandler(Options{}), query{target: JSONPath})
	if ct := string(got.Header.Get("Content-Type")); ct != "application/json" || string(got.Header.Get("Cache-Control")) != "no-store" {
		t.Errorf("%s", ct)
	}
	var doc map[string]any
	if err := json.Unmarshal(got.Body, &doc); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"server", "ready", "application", "connections", "handshakes", "buffer_bytes", "loops", "workers"} {
		if _, ok := doc[key]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
}

func TestReportTimes(t *testing.T) {
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	text, err := json.Marshal(Server{Started: started, Uptime: 1.5})
	if err != nil || !strings.Contains(string(text), `"started":"2026-01-02T03:04:05Z","uptime_seconds":1.5`) {
		t.Errorf("%s, %v", text, err)
	}
}
