package load

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

func TestParseSummary(t *testing.T) {
	out := "Running 1s test @ http://127.0.0.1:1/\n" +
		`{"requests":1000,"duration_us":2000000,"status":10,"connect":1,"read":2,"write":3,"timeout":4,"p50_us":640,"p99_us":4000}` + "\n"
	got, err := parseSummary([]byte(out))
	want := Result{Good: 990, Bad: 20, Elapsed: 2 * time.Second, P50: 640 * time.Microsecond, P99: 4 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("parseSummary = %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseSummary([]byte("unable to connect")); err == nil {
		t.Error("output without a summary was accepted")
	}
	if _, err := parseSummary([]byte(`{"requests":`)); err == nil {
		t.Error("a cut summary was accepted")
	}
}

// The text is that of ab 2.3, cut to the lines that matter.
const abOutput = `Server Software:        nginx/1.22.1
Document Length:        13 bytes

Concurrency Level:      50
Time taken for tests:   1.500 seconds
Complete requests:      16000
Failed requests:        12
   (Connect: 0, Receive: 0, Length: 12, Exceptions: 0)
Non-2xx responses:      4
Requests per second:    15882.10 [#/sec] (mean)

Percentage of the requests served within a certain time (ms)
  50%      3
  99%      9
 100%     20 (longest request)
`

func TestParseAB(t *testing.T) {
	got, err := parseAB([]byte(abOutput))
	want := Result{Good: 15984, Bad: 16, Elapsed: 1500 * time.Millisecond, P50: 3 * time.Millisecond, P99: 9 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("parseAB = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "Complete requests: many\nTime taken for tests: 1 seconds\n"} {
		if _, err := parseAB([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// The text is that of h2load 1.52, cut to the lines that matter.
const h2loadOutput = `Application protocol: h2
finished in 2.01s, 4000.00 req/s, 312.76KB/s
requests: 8050 total, 8060 started, 8050 done, 8020 succeeded, 30 failed, 30 errored, 2 timeout
status codes: 8000 2xx, 0 3xx, 20 4xx, 0 5xx
`

func TestParseH2load(t *testing.T) {
	got, err := parseH2load([]byte(h2loadOutput))
	want := Result{Good: 8000, Bad: 22, Elapsed: 2010 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("parseH2load = %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseH2load([]byte("starting benchmark...")); err == nil {
		t.Error("output without a summary was accepted")
	}
}

func TestSocketEchoes(t *testing.T) {
	up := gws.NewUpgrader(echo{}, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := up.Upgrade(w, r); err == nil {
			c.ReadLoop()
		}
	}))
	defer srv.Close()
	s, err := DialSocket(context.Background(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if err := s.Echo(); err != nil {
			t.Fatal(err)
		}
	}
}

type echo struct{ gws.BuiltinEventHandler }

// OnMessage sends a message back.
func (echo) OnMessage(c *gws.Conn, m *gws.Message) { _ = c.WriteMessage(m.Opcode, m.Bytes()) }

func TestCommands(t *testing.T) {
	s := Spec{Connections: 8, Pipeline: 16, Fields: []string{"A: b"}}
	got := Generator{Script: "w.lua"}.wrk(s, "http://h/", 3*time.Second)
	want := []string{"wrk", "-t1", "-c8", "-d3s", "--timeout", "10s", "-s", "w.lua", "-H", "A: b", "http://h/", "--", "16"}
	if !slices.Equal(got, want) {
		t.Errorf("wrk command %q, want %q", got, want)
	}
	got = ab(Spec{Connections: 50, Close: true}, "http://h/", 2*time.Second)
	want = []string{"ab", "-q", "-c", "50", "-t", "2", "-n", "2000000", "-s", "10", "http://h/"}
	if !slices.Equal(got, want) {
		t.Errorf("ab command %q, want %q", got, want)
	}
	got = h2load(Spec{Protocol: HTTP2, Connections: 16, Streams: 32}, "https://h/", 2*time.Second)
	want = []string{"h2load", "-t1", "-c16", "-m32", "-D2", "https://h/"}
	if !slices.Equal(got, want) {
		t.Errorf("h2load command %q, want %q", got, want)
	}
	got = Generator{Bin: "/b"}.own("wsload", Spec{Protocol: WebSocket, Connections: 64}, "http://h/", 2*time.Second)
	want = []string{"/b/wsload", "-c", "64", "-m", "1", "-d", "2s", "http://h/"}
	if !slices.Equal(got, want) {
		t.Errorf("wsload command %q, want %q", got, want)
	}
}

func TestIdle(t *testing.T) {
	for _, useTLS := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("ok"))
		}))
		if useTLS {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		idle, err := OpenIdle(context.Background(), srv.URL+"/", Spec{Connections: 40, TLS: useTLS})
		if err != nil {
			t.Fatalf("TLS %v: %v", useTLS, err)
		}
		if n := idle.Alive(); n != 40 {
			t.Errorf("TLS %v: %d of 40 alive", useTLS, n)
		}
		srv.CloseClientConnections()
		srv.Close()
		if n := idle.Alive(); n != 0 {
			t.Errorf("TLS %v: %d alive after the server closed all", useTLS, n)
		}
		idle.Close()
	}
}

func TestIdleRefused(t *testing.T) {
	closing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
	}))
	defer closing.Close()
	failing := httptest.NewServer(http.NotFoundHandler())
	defer failing.Close()
	for _, srv := range []*httptest.Server{closing, failing} {
		for _, p := range []Protocol{HTTP1, WebSocket} {
			if _, err := OpenIdle(context.Background(), srv.URL+"/", Spec{Protocol: p, Connections: 3}); err == nil {
				t.Errorf("%v, %q: no error", srv.URL, p)
			}
		}
	}
}

// Every path is asked for in turn, by who shows the token, and the answers are timed.
func TestScrape(t *testing.T) {
	asked := make(chan string, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		asked <- r.URL.Path
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 6 {
			<-asked
		}
		cancel()
	}()
	all, err := Scrape(ctx, server.URL, []string{"/a", "/longer"}, "secret")
	if err != nil || len(all) != 2 || len(all[0].Times) < 3 || len(all[1].Times) < 3 || all[1].Bytes != 7 {
		t.Errorf("%v, %+v", err, all)
	}
	if _, err := Scrape(t.Context(), server.URL, []string{"/a"}, "wrong"); err == nil {
		t.Error("refused, and nobody says so")
	}
	s := Scrapes{}
	if s.Quantile(0.99) != 0 {
		t.Error("a quantile of nothing")
	}
	for i := range 200 {
		s.Times = append(s.Times, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 100, 0.99: 198, 1: 200} {
		if got := s.Quantile(q); got != want {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
}
