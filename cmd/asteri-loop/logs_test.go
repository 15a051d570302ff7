package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
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

func TestSyslog(t *testing.T) {
	daemon, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	to := []string{"--log-syslog", "--log-syslog-to", "udp://" + daemon.LocalAddr().String(), "--log-syslog-prefix", "shop", "--log-syslog-facility", "local3"}
	messages := func() string {
		var all strings.Builder
		buf := make([]byte, 16<<10)
		_ = daemon.SetReadDeadline(time.Now().Add(time.Second))
		for {
			n, _, err := daemon.ReadFrom(buf)
			if err != nil {
				return all.String()
			}
			all.Write(append(buf[:n], '\n'))
		}
	}
	run := func(args ...string) string {
		p := start(t, t.TempDir(), append(to, args...)...)
		fetch(t, p.url("http")+"/plaintext")
		p.signal(syscall.SIGTERM)
		if s := p.exit(); s != exitOK {
			t.Errorf("status %d", s)
		}
		return messages()
	}
	const access = `(?m)^<158>1 \S+ \S+ asteri-loop\.shop\.access \d+ - - 127\.0\.0\.1 - - \[.*\] "GET /plaintext HTTP/1\.1" 200 `
	got := run("--access-logfile", "none")
	for _, form := range []string{access, `(?m)^<158>1 \S+ \S+ asteri-loop\.shop\.error (\d+) - - \[\d+\] \[INFO\] Stopped$`, `(?m)^<156>1 .* \[WARNING\] `} {
		if !regexp.MustCompile(form).MatchString(got) {
			t.Errorf("no message like %s in\n%s", form, got)
		}
	}
	if got := run("--disable-redirect-access-to-syslog"); strings.Contains(got, "shop.access") || !strings.Contains(got, "shop.error") {
		t.Errorf("without the access log:\n%s", got)
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
	eventually(t, "new files", func() bool {
		_, one := os.Stat(path("access.log"))
		_, two := os.Stat(path("error.log"))
		return one == nil && two == nil
	})
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
	conn := dial(t, p)
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 101 || len(resp.Header.Get("X-Request-ID")) != 32 {
		t.Fatalf("%v, %v", resp, err)
	}
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
