package accesslog

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// sink is an output that can be made to block or fail.
type sink struct {
	mu     sync.Mutex
	data   bytes.Buffer
	closed bool
	gate   chan struct{} // if not nil, Write waits for it
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.data.Write(p)
}

func (s *sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.String()
}

func mustCompile(t testing.TB, format string) *Format {
	t.Helper()
	f, err := Compile(format, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestLogWritesWithoutBeingClosed(t *testing.T) {
	out := new(sink)
	l := New(out, mustCompile(t, "%(m)s %(s)s"), slog.New(slog.DiscardHandler))
	l.ExchangeDone(sample())
	await(t, "the line", func() bool { return out.text() == "GET 200\n" })
	l.Close(time.Minute)
	l.Close(time.Minute)
	if !out.closed || l.Lost() != 0 {
		t.Errorf("closed %v, lost %d", out.closed, l.Lost())
	}
	l.ExchangeDone(sample())
	if l.Lost() != 1 {
		t.Error("a line after the end is lost, and counted")
	}
}

func TestConcurrentLinesStayWhole(t *testing.T) {
	out := new(sink)
	l := New(out, mustCompile(t, "%(r)s"), slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			at := new(home)
			for range 500 {
				r := sample()
				r.Home = at
				l.ExchangeDone(r)
			}
		})
	}
	wg.Wait()
	l.Close(time.Minute)
	if want := strings.Repeat("GET /a%20b?x=1&y=2 HTTP/1.1\n", 4000); out.text() != want {
		t.Errorf("%d bytes, want %d", len(out.text()), len(want))
	}
}

func TestBlockedOutputLosesLinesAndHoldsNobody(t *testing.T) {
	var said bytes.Buffer
	out := &sink{gate: make(chan struct{})}
	l := New(out, mustCompile(t, strings.Repeat("x", 1000)), slog.New(slog.NewTextHandler(&said, nil)))
	const lines = 5000 // more than both buffers hold
	for range lines {
		l.ExchangeDone(sample())
	}
	lost := l.Lost()
	if lost == 0 || lost == lines {
		t.Errorf("%d of %d lines were lost", lost, lines)
	}
	l.Close(time.Millisecond) // gives up waiting; the writer ends when it can
	close(out.gate)
	await(t, "the writer's end", func() bool { out.mu.Lock(); defer out.mu.Unlock(); return out.closed })
	if got := strings.Count(out.text(), "\n"); got != lines-int(lost) {
		t.Errorf("%d lines were written, %d lost", got, lost)
	}
	if !strings.Contains(said.String(), "access log lines were lost") {
		t.Errorf("nobody was told: %q", said.String())
	}
}

func TestFailedWriteIsCounted(t *testing.T) {
	out := &sink{err: errors.New("disk full")}
	l := New(out, mustCompile(t, "x"), slog.New(slog.DiscardHandler))
	l.ExchangeDone(sample())
	l.ExchangeDone(sample())
	l.Close(time.Minute)
	if l.Lost() != 2 {
		t.Errorf("%d", l.Lost())
	}
}

func TestReplace(t *testing.T) {
	first, second := new(sink), new(sink)
	l := New(first, mustCompile(t, "one"), slog.New(slog.DiscardHandler))
	l.ExchangeDone(sample())
	l.Replace(mustCompile(t, "two"), second)
	l.ExchangeDone(sample())
	l.Replace(mustCompile(t, "three"), nil)
	l.ExchangeDone(sample())
	l.Close(time.Minute)
	if !second.closed {
		t.Error("the second output is open")
	}
	if first.text() != "one\n" || !first.closed || second.text() != "two\n" {
		t.Errorf("%q (closed: %v), %q", first.text(), first.closed, second.text())
	}
}

// A log may be turned off while requests and tunnels run, also by who has no format
// for it. What ends later has no line.
func TestTurnedOff(t *testing.T) {
	out := new(sink)
	l := New(out, mustCompile(t, "%(m)s"), slog.New(slog.DiscardHandler))
	closed := l.TunnelOpened(sample())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			l.ExchangeDone(sample())
		}
	}()
	l.Replace(nil, nil)
	<-done
	closed(1, 2, nil)
	back := new(sink)
	l.Replace(nil, back)
	l.ExchangeDone(sample())
	l.Close(time.Minute)
	if strings.Trim(out.text(), "GET\n") != "" || back.text() != "GET\n" || l.Lost() != 0 {
		t.Errorf("%q, %q, %d lost", out.text(), back.text(), l.Lost())
	}
}

// A format changes without the output.
func TestSetFormat(t *testing.T) {
	out := new(sink)
	l := New(out, mustCompile(t, "one"), slog.New(slog.DiscardHandler))
	for _, f := range []*Format{nil, mustCompile(t, "two"), nil} {
		l.SetFormat(f)
		l.ExchangeDone(sample())
	}
	l.Close(time.Minute)
	if out.text() != "one\ntwo\ntwo\n" {
		t.Errorf("%q", out.text())
	}
}

// home is where exchanges are.
type home struct{ _ int }

func (*home) Post(func()) bool { return false }

// Homes write side by side, and each keeps its order.
func TestHomes(t *testing.T) {
	out := new(sink)
	l := New(out, mustCompile(t, "%(p)s %(m)s%(B)s"), slog.New(slog.DiscardHandler))
	homes := []asteri.Executor{new(home), new(home)}
	const lines = 20000
	var wg sync.WaitGroup
	for i, at := range append(homes, nil) {
		wg.Go(func() {
			r := sample()
			r.Home, r.Request.Method = at, string(rune('a'+i))
			for n := range lines {
				r.BytesOut = int64(n)
				l.ExchangeDone(r)
			}
		})
	}
	wg.Wait()
	l.Close(time.Minute)
	next := map[string]int{}
	for line := range strings.Lines(out.text()) {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "<0> "), "\n")
		who, n := line[:1], line[1:]
		if n != strconv.Itoa(next[who]) {
			t.Fatalf("%q, want %d", line, next[who])
		}
		next[who]++
	}
	if l.Lost() != 0 || next["a"] != lines || next["b"] != lines || next["c"] != lines {
		t.Errorf("%v, %d lost", next, l.Lost())
	}
}

// standard is the format that the settings begin with.
const standard = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({request_id}x)s`

// What a request of a home pays for the text of its line.
func BenchmarkLine(b *testing.B) { benchmarkLine(b, standard) }
func BenchmarkJSON(b *testing.B) { benchmarkLine(b, JSON) }

func benchmarkLine(b *testing.B, format string) {
	f, err := Compile(format, Options{})
	if err != nil {
		b.Fatal(err)
	}
	r := sample()
	r.Request.Handling.ID = "91fabc4c7de84e7f8adf3b4ea5e4ea54"
	r.Request.Header.Del("Authorization")
	e, line := new(entry), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		line = e.appendLine(line[:0], f, r, false, time.Now)
	}
}

// And for its way to the output.
func BenchmarkLane(b *testing.B) {
	l := New(discard{io.Discard}, mustCompile(b, strings.Repeat("x", 100)), slog.New(slog.DiscardHandler))
	defer l.Close(time.Minute)
	at := new(home)
	r := sample()
	r.Home = at
	b.ReportAllocs()
	for b.Loop() {
		l.ExchangeDone(r)
	}
}
