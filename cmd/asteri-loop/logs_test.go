package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
)

// fetch sends a request with fields and returns the response's.
func fetch(t *testing.T, url string, fields ...string) http.Header {
	t.Helper()
	q, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
	}
	resp, err := client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Header
}

func TestRequestID(t *testing.T) {
	p := start(t, t.TempDir(), "--access-logfile", "-")
	id := fetch(t, p.url("http")+"/plaintext").Get("X-Request-ID")
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("the id is %q", id)
	}
	if got := fetch(t, p.url("http")+"/plaintext", "X-Request-ID", "from-a.proxy").Get("X-Request-ID"); got != "from-a.proxy" {
		t.Errorf("a trusted peer's became %q", got)
	}
	eventually(t, "both in the access log", func() bool {
		return strings.Contains(p.out.String(), " "+id+"\n") && strings.Contains(p.out.String(), " from-a.proxy\n")
	})

	p = start(t, t.TempDir(), "--forwarded-allow-ips", "192.0.2.1", "--request-id", "X-Correlation-ID")
	if got := fetch(t, p.url("https")+"/plaintext", "X-Correlation-ID", "forged").Get("X-Correlation-ID"); len(got) != 32 {
		t.Errorf("a stranger's became %q", got)
	}

	p = start(t, t.TempDir(), "--request-id", "off")
	if h := fetch(t, p.url("http")+"/plaintext"); h.Get("X-Request-ID") != "" {
		t.Errorf("switched off: %v", h)
	}
}

func TestLogsForMachines(t *testing.T) {
	p := start(t, t.TempDir(), "--access-logfile", "-", "--access-logformat", "json", "--log-format", "json")
	url := regexp.MustCompile(`http://[\d.]+:\d+`).FindString(p.log.String())
	fetch(t, url+"/plaintext?a=%22", "User-Agent", `a"},{"b`)
	p.signal(syscall.SIGTERM)
	p.exit()
	var line struct {
		RequestID string `json:"request_id"`
		Path      string `json:"path"`
		Query     string `json:"query"`
		Status    int    `json:"status"`
		UserAgent string `json:"user_agent"`
		Outcome   string `json:"outcome"`
	}
	out := strings.TrimSuffix(p.out.String(), "\n")
	if err := json.Unmarshal([]byte(out), &line); err != nil || line.Path != "/plaintext" || line.Query != "a=%22" || line.Status != 200 ||
		len(line.RequestID) != 32 || line.UserAgent != `a"},{"b` || line.Outcome != "ok" {
		t.Errorf("%v, %s", err, out)
	}
	records := 0
	for text := range strings.Lines(p.log.String()) {
		var r struct {
			Time    time.Time `json:"time"`
			Level   string    `json:"level"`
			Message string    `json:"message"`
			PID     int       `json:"pid"`
		}
		if err := json.Unmarshal([]byte(text), &r); err == nil && r.Level != "" && r.Message != "" && r.PID == p.cmd.Process.Pid && !r.Time.IsZero() {
			records++
		}
	}
	if lines := strings.Count(p.log.String(), "\n"); records != lines {
		t.Errorf("%d of %d lines are records:\n%s", records, lines, p.log.String())
	}
}

func TestLogsAreRotated(t *testing.T) {
	dir := t.TempDir()
	p := launch(t, dir, nil, "-b", "127.0.0.1:0", "--access-logfile", "access.log", "--error-logfile", "error.log", "--access-logformat", "%(U)s")
	path := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) string {
		text, _ := os.ReadFile(path(name))
		return string(text)
	}
	eventually(t, "the log", func() bool { return strings.Contains(read("error.log"), "Running ") })
	url := regexp.MustCompile(`http://[\d.]+:\d+`).FindString(read("error.log"))
	fetch(t, url+"/plaintext")
	eventually(t, "the first line", func() bool { return read("access.log") == "/plaintext\n" })
	for _, name := range []string{"access", "error"} {
		if err := os.Rename(path(name+".log"), path(name+".1")); err != nil {
			t.Fatal(err)
		}
	}
	fetch(t, url+"/json") // goes where the file has gone
	eventually(t, "the second line", func() bool { return read("access.1") == "/plaintext\n/json\n" })
	p.signal(syscall.SIGUSR1)
	eventually(t, "new files", func() bool { return strings.Contains(read("error.log"), "The logs are open again") })
	fetch(t, url+"/plaintext")
	eventually(t, "the third line", func() bool { return read("access.log") == "/plaintext\n" })
	// copytruncate: what was written is cut off, and what comes stands at the front.
	if err := os.Truncate(path("access.log"), 0); err != nil {
		t.Fatal(err)
	}
	fetch(t, url+"/json")
	eventually(t, "the fourth line", func() bool { return read("access.log") == "/json\n" })
	p.signal(syscall.SIGTERM)
	p.exit()
	if !strings.Contains(read("error.1"), "Running ") || !strings.HasSuffix(read("error.log"), "Stopped\n") {
		t.Errorf("error logs:\n%s\n%s", read("error.1"), read("error.log"))
	}
}

// A device that is full costs lines, and the log says how many.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		return // this system has no such device
	}
	p := start(t, t.TempDir(), "--access-logfile", "/dev/full")
	for range 3 {
		fetch(t, p.url("http")+"/plaintext")
	}
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK || !strings.Contains(p.log.String(), "access log lines were lost lines=") {
		t.Errorf("status %d", s)
	}
}

// A tunnel has its line at its end, a head that cannot be read has one too.
func TestLinesOfTunnelsAndRefusals(t *testing.T) {
	p := start(t, t.TempDir(), "--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(s)s %({tunnel}x)s %({outcome}x)s")
	conn := openTunnel(t, p)
	bad := dial(t, p)
	if _, err := io.WriteString(bad, "NO REQUEST\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal's line", func() bool { return strings.Contains(p.out.String(), "- - 400 - refused\n") })
	if strings.Contains(p.out.String(), "/ws") {
		t.Errorf("the tunnel has not ended:\n%s", p.out.String())
	}
	conn.Close()
	eventually(t, "the tunnel's line", func() bool { return strings.Contains(p.out.String(), "GET /ws 101 true ok\n") })
}

func TestTraces(t *testing.T) {
	t.Run("by variable", func(t *testing.T) {
		testTraces(t, func(url string) (env, args []string) { return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url}, nil })
	})
	t.Run("by option", func(t *testing.T) {
		testTraces(t, func(url string) (env, args []string) { return nil, []string{"--otlp-endpoint", url} })
	})
}

func testTraces(t *testing.T, to func(url string) (env, args []string)) {
	var mu sync.Mutex
	var names []string
	var parents [][]byte
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		text, _ := io.ReadAll(q.Body)
		var export collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(text, &export); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range export.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					names = append(names, s.GetName())
					parents = append(parents, s.GetParentSpanId())
				}
			}
		}
	}))
	defer collector.Close()
	env, args := to(collector.URL)
	p := launch(t, t.TempDir(), env, append(args, "-b", "127.0.0.1:0", "-w", "gthread", "--access-logfile", "-", "--access-logformat", "%({trace_id}x)s")...)
	p.await("Running ")
	fetch(t, p.url("http")+"/plaintext", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	p.signal(syscall.SIGTERM)
	if s := p.exit(); s != exitOK {
		t.Errorf("status %d", s)
	}
	mu.Lock()
	defer mu.Unlock()
	if p.out.String() != "0af7651916cd43dd8448eb211c80319c\n" {
		t.Errorf("access log: %s", p.out.String())
	}
	if all := strings.Join(names, " "); !strings.Contains(all, "GET") || !strings.Contains(all, "application") {
		t.Fatalf("spans: %s", all)
	}
	for i, name := range names {
		if name == "GET" && string(parents[i]) != "\xb7\xad\x6b\x71\x69\x20\x33\x31" {
			t.Errorf("its parent is %x", parents[i])
		}
	}
}
