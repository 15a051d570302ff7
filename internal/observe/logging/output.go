package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/asteri/asteri-loop/internal/observe/logwriter"
)

// named are the names that the setting log_level has for named.
var named = []struct {
	name  string
	level slog.Level
}{{"debug", slog.LevelDebug}, {"info", slog.LevelInfo}, {"warning", slog.LevelWarn}, {"error", slog.LevelError}, {"critical", LevelCritical}}

// Level returns the level that the setting log_level names: debug, info,
// warning, error or critical.
func Level(name string) (slog.Level, error) {
	for _, l := range named {
		if l.name == name {
			return l.level, nil
		}
	}
	return 0, fmt.Errorf("no such log level: %q; there are debug, info, warning, error and critical", name)
}

// LevelName returns the name of a level, or of the next one above it.
func LevelName(level slog.Level) string {
	for _, l := range named {
		if level <= l.level {
			return l.name
		}
	}
	return named[len(named)-1].name
}

// Output is where records go, from a goroutine of its own: whoever logs does not
// wait for a disk or a terminal. It can be replaced while they do.
type Output struct{ w *logwriter.Writer }

// NewOutput returns an output to w, which it owns from now on. What it cannot write
// it says there.
func NewOutput(w io.WriteCloser) *Output {
	return &Output{logwriter.New(w, 0, func(lines uint64) string {
		return fmt.Sprintf("%d lines of this log could not be written\n", lines)
	})}
}

// Write writes one record, or other whole lines. It does not wait, and returns no
// error.
func (o *Output) Write(p []byte) (int, error) { return o.w.Write(p) }

// Replace makes later records go to w. The output before gets what was logged so
// far, and is closed.
func (o *Output) Replace(w io.WriteCloser) error { return o.w.Replace(w, func() {}) }

// Lost returns how many records could not be written so far.
func (o *Output) Lost() uint64 { return o.w.Lost() }

// Flush returns when all that was logged has been written, at the latest after
// timeout.
func (o *Output) Flush(timeout time.Duration) { o.w.Flush(timeout) }

// Close writes what was logged and closes the output. It gives up after timeout.
func (o *Output) Close(timeout time.Duration) { o.w.Close(timeout) }

// Open opens a log file to append to, or takes std for "-". Closing the result
// closes the file, and leaves std open.
func Open(path string, std *os.File) (io.WriteCloser, error) {
	if path == "-" {
		return keepOpen{std}, nil
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

// keepOpen is a standard stream, which is not the log's to close.
type keepOpen struct{ *os.File }

// Close does nothing.
func (keepOpen) Close() error { return nil }

// IsTerminal tells whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Color tells whether text for f is to be coloured: on a terminal, unless
// NO_COLOR (no-color.org) is set or the terminal is a dumb one; elsewhere if
// FORCE_COLOR is set. getenv is os.Getenv.
func Color(f *os.File, getenv func(string) string) bool {
	switch {
	case getenv("NO_COLOR") != "":
		return false
	case getenv("FORCE_COLOR") != "" && getenv("FORCE_COLOR") != "0":
		return true
	}
	return IsTerminal(f) && getenv("TERM") != "dumb"
}
