package logging

import (
	"log/slog"
	"regexp"
	"testing"
)

var regexpTimes = regexp.MustCompile(`(?m)^\[\d{4}-[^]]*\] `)

func TestLevels(t *testing.T) {
	var least slog.LevelVar
	least.Set(slog.LevelWarn)
	got := logged(Options{Level: slog.Level(-100)}, func(l *slog.Logger) {
		l = slog.New(WithLevels(l.Handler(), &least, map[string]slog.Level{"app": slog.LevelDebug, "app.db": slog.LevelError})).With("worker", 1)
		l.Info("dropped")
		l.Info("dropped", "logger", "other")
		l.Info("dropped", "logger", "application")
		l.Warn("dropped", "logger", "app.db.pool")
		l.Debug("one", "logger", "app")
		l.Debug("two", "logger", "app.views")
		l.Error("three", "logger", "app.db")
		least.Set(slog.LevelInfo)
		l.Info("four")
	})
	lines := regexpTimes.ReplaceAllString(got, "")
	want := "[42] [DEBUG] one worker=1 logger=app\n[42] [DEBUG] two worker=1 logger=app.views\n[42] [ERROR] three worker=1 logger=app.db\n[42] [INFO] four worker=1\n"
	if lines != want {
		t.Errorf("\n got %s\nwant %s", lines, want)
	}
	if slog.New(WithLevels(slog.DiscardHandler, &least, nil)).Enabled(t.Context(), slog.LevelDebug) {
		t.Error("debug is on")
	}
}
