package logging

import (
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
)

var jsonTime = regexp.MustCompile(`^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",`)

func TestJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("hello") }, `"level":"INFO","message":"hello","pid":42}`},
		{"attributes", func(l *slog.Logger) { l.Warn("slow", "n", 3, "d", 1500*time.Millisecond, "err", errors.New("bad")) },
			`"level":"WARNING","message":"slow","n":3,"d":1.5,"err":"bad","pid":42}`},
		{"worker", func(l *slog.Logger) { l.With("worker", 1).With("pid", 77).Error("boom") }, `"level":"ERROR","message":"boom","worker":1,"pid":77}`},
		{"worker of this record", func(l *slog.Logger) { l.Error("boom", "pid", 77) }, `"level":"ERROR","message":"boom","pid":77}`},
		{"group", func(l *slog.Logger) { l.WithGroup("g").Info("m", "a", 1) }, `"level":"INFO","message":"m","pid":42,"g":{"a":1}}`},
		{"without a name", func(l *slog.Logger) { l.Info("m", slog.Group("", "path", "/")) }, `"level":"INFO","message":"m","path":"/","pid":42}`},
		{"critical", func(l *slog.Logger) { l.Log(t.Context(), LevelCritical, "end") }, `"level":"CRITICAL","message":"end","pid":42}`},
		{"forgery", func(l *slog.Logger) { l.Info("a\n{\"level\":\"INFO\"}\x1b[2J") }, `"level":"INFO","message":"a\n{\"level\":\"INFO\"}\u001b[2J","pid":42}`},
	} {
		var b buffer
		out := NewOutput(&b)
		tc.log(slog.New(NewJSON(out, Options{Level: slog.LevelDebug, PID: 42})))
		out.Close(time.Minute)
		got := b.String()
		if rest := jsonTime.ReplaceAllString(got, ""); rest != tc.want+"\n" || rest == got {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
		if !json.Valid([]byte(got)) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: not one line of JSON: %q", tc.name, got)
		}
	}
}

func TestJSONLevel(t *testing.T) {
	var b buffer
	out := NewOutput(&b)
	slog.New(NewJSON(out, Options{Level: slog.LevelWarn})).Info("no")
	out.Close(time.Minute)
	if b.Len() > 0 {
		t.Error(b.String())
	}
}

func TestSyslogLines(t *testing.T) {
	var b buffer
	out := NewOutput(&b)
	l := slog.New(New(out, Options{Level: slog.LevelDebug, PID: 42, Syslog: true, Color: false}))
	l.Debug("one", "k", 1)
	l.Error("Traceback:\n  File x\nValueError", "pid", 77, "stack", "a\nb")
	l.Log(t.Context(), LevelCritical, "end")
	out.Close(time.Minute)
	want := "<7>[42] [DEBUG] one k=1\n" +
		`<3>[77] [ERROR] Traceback:\n      File x\n    ValueError\n    stack:\n    a\n    b` + "\n" +
		"<2>[42] [CRITICAL] end\n"
	if b.String() != want {
		t.Errorf("\n got %q\nwant %q", b.String(), want)
	}
}
