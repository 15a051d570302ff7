package load

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

func TestParseWrk(t *testing.T) {
	out := "Running 1s test @ http://127.0.0.1:1/\n" +
		`{"requests":1000,"duration_us":2000000,"status":10,"connect":1,"read":2,"write":3,"timeout":4,"p50_us":640,"p99_us":4000}` + "\n"
	got, err := parseWrk([]byte(out))
	want := Result{Good: 990, Bad: 20, Elapsed: 2 * time.Second, P50: 640 * time.Microsecond, P99: 4 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("parseWrk = %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseWrk([]byte("unable to connect")); err == nil {
		t.Error("output without a summary was accepted")
	}
	if _, err := parseWrk([]byte(`{"requests":`)); err == nil {
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
		addr := srv.Listener.Addr().String()
		idle, err := OpenIdle(context.Background(), addr, "/", useTLS, 40)
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
	for _, addr := range []net.Addr{closing.Listener.Addr(), failing.Listener.Addr()} {
		if _, err := OpenIdle(context.Background(), addr.String(), "/", false, 3); err == nil {
			t.Errorf("%v: no error", addr)
		}
	}
}
