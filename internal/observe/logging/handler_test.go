package logging

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// buffer is an output for tests.
type buffer struct {
	bytes.Buffer
	closed bool
}

func (b *buffer) Close() error { b.closed = true; return nil }

func logged(o Options, log func(*slog.Logger)) string {
	var b buffer
	o.PID = 42
	if o.Level == nil {
		o.Level = slog.LevelDebug
	}
	out := NewOutput(&b)
	log(slog.New(New(out, o)))
	out.Close(time.Minute)
	text := b.String()
	// The time is checked on its own.
	if i := strings.Index(text, "] "); i >= 0 {
		return text[i+2:]
	}
	return text
}

func TestLines(t *testing.T) {
	for _, tc := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("hello") }, "[42] [INFO] hello\n"},
		{"attributes", func(l *slog.Logger) {
			l.Warn("slow", "n", 3, "path", "/a b", "d", time.Second, "err", errors.New("bad thing"), "empty", "")
		}, `[42] [WARNING] slow n=3 path="/a b" d=1s err="bad thing" empty=""` + "\n"},
		{"worker", func(l *slog.Logger) { l.Error("boom", "pid", 77, "age", 1) }, "[77] [ERROR] boom age=1\n"},
		{"worker of a derived logger", func(l *slog.Logger) { l.With("pid", 77, "x", 1).Debug("hi", "y", 2) }, "[77] [DEBUG] hi x=1 y=2\n"},
		{"group", func(l *slog.Logger) { l.WithGroup("g").With("a", 1).Info("m", slog.Group("h", "b", 2), "pid", 5) }, "[42] [INFO] m g.a=1 g.h.b=2 g.pid=5\n"},
		{"critical", func(l *slog.Logger) { l.Log(context.Background(), LevelCritical, "end") }, "[42] [CRITICAL] end\n"},
		{"message of several lines", func(l *slog.Logger) { l.Error("Traceback:\n  File x\r\nValueError: y\n", "k", 1) },
			"[42] [ERROR] Traceback: k=1\n      File x\n    ValueError: y\n"},
		{"value of several lines", func(l *slog.Logger) { l.Error("failed", "stack", "a\nb\n", "k", 1) }, "[42] [ERROR] failed k=1\n    stack:\n    a\n    b\n"},
		{"forgery", func(l *slog.Logger) { l.Info("x\n[2026-01-01 00:00:00 +0000] [1] [INFO] forged", "v", "a\r[x]") },
			"[42] [INFO] x v=\"a\\r[x]\"\n    [2026-01-01 00:00:00 +0000] [1] [INFO] forged\n"},
		{"terminal control", func(l *slog.Logger) { l.Info("a\x1b[2Jb\xff\tc") }, "[42] [INFO] a\\x1b[2Jb\\xff\tc\n"},
	} {
		if got := logged(Options{}, tc.log); got != tc.want {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.want)
		}
	}
}

func TestTime(t *testing.T) {
	var b buffer
	r := slog.NewRecord(time.Date(2026, 11, 22, 16, 40, 0, 0, time.UTC), slog.LevelInfo, "m", 0)
	out := NewOutput(&b)
	if err := New(out, Options{Level: slog.LevelInfo, PID: 1}).Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	out.Close(time.Minute)
	if b.String() != "[2026-11-22 16:40:00 +0000] [1] [INFO] m\n" {
		t.Errorf("%q", b.String())
	}
}

func TestLevelAndColor(t *testing.T) {
	if got := logged(Options{Level: slog.LevelWarn}, func(l *slog.Logger) { l.Info("no") }); got != "" {
		t.Errorf("%q", got)
	}
	if got := logged(Options{Color: true}, func(l *slog.Logger) { l.Info("m") }); got != "[42] [\x1b[32mINFO\x1b[0m] m\n" {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]slog.Level{"debug": -4, "info": 0, "warning": 4, "error": 8, "critical": 12} {
		if got, err := Level(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := Level("loud"); err == nil {
		t.Error("an unknown level must be refused")
	}
}

func TestOpenAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, text := range []string{"one\n", "two\n"} {
		f, err := Open(path, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	if _, err := Open(filepath.Join(path, "below"), os.Stderr); err == nil {
		t.Error("a path below a file must be refused")
	}
}

func TestColorChoice(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tc := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"FORCE_COLOR": "1"}, true},
		{map[string]string{"FORCE_COLOR": "0"}, false},
		{map[string]string{"FORCE_COLOR": "1", "NO_COLOR": "1"}, false},
	} {
		if got := Color(file, func(k string) string { return tc.env[k] }); got != tc.want {
			t.Errorf("%v: %v", tc.env, got)
		}
	}
}

func TestReplaceOutput(t *testing.T) {
	var first, second buffer
	out := NewOutput(&first)
	log := slog.New(New(out, Options{Level: slog.LevelInfo}))
	log.Info("one")
	if err := out.Replace(&second); err != nil {
		t.Fatal(err)
	}
	log.Info("two")
	out.Flush(time.Minute)
	if !strings.Contains(first.String(), "one") || !first.closed || !strings.Contains(second.String(), "two") || second.closed {
		t.Errorf("%q, %q", first.String(), second.String())
	}
}

// blocked is an output that takes nothing until it is opened.
type blocked struct {
	buffer
	open chan struct{}
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.open
	return b.buffer.Write(p)
}

func TestBlockedOutputHoldsNobody(t *testing.T) {
	b := &blocked{open: make(chan struct{})}
	out := NewOutput(b)
	log := slog.New(New(out, Options{Level: slog.LevelInfo}))
	const records = 5000
	for range records { // more than may wait
		log.Info(strings.Repeat("x", 1000))
	}
	out.Flush(time.Millisecond) // gives up
	close(b.open)
	out.Flush(time.Minute)
	log.Info("the last")
	out.Close(time.Minute)
	lines, said := strings.Count(b.String(), "xxx\n"), regexp.MustCompile(`(?m)^(\d+) lines of this log`).FindStringSubmatch(b.String())
	if len(said) != 2 || said[1] != strconv.Itoa(records-lines) || !strings.HasSuffix(b.String(), "the last\n") || !b.closed {
		t.Errorf("%d lines, said %v, closed: %v", lines, said, b.closed)
	}
}
