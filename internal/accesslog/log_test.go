package accesslog

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
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

func mustCompile(t *testing.T, format string) *Format {
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
			for range 500 {
				l.ExchangeDone(sample())
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

func BenchmarkLine(b *testing.B) {
	f, err := Compile(`%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`, Options{})
	if err != nil {
		b.Fatal(err)
	}
	r, buf := sample(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = f.Append(buf[:0], r, time.Time{})
	}
}
