// Package logging writes the server's log in the form of gunicorn's,
//
//	[2026-11-22 16:40:00 +0000] [4711] [INFO] message key=value
//
// as JSON, or as lines for a syslog daemon.
package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/asteri/asteri-loop/internal/observe/logobject"
	"github.com/asteri/asteri-loop/internal/observe/syslog"
)

// LevelCritical is for what ends the server.
const LevelCritical = slog.LevelError + 4

// PIDKey is the attribute that holds the process id of a worker whose record it
// is. The line shows it in the place of the server's own.
const PIDKey = "pid"

// Options are the choices of a Handler.
type Options struct {
	// Level is the least level to log.
	Level slog.Leveler
	// Color marks levels, for a terminal.
	Color bool
	// PID is the server's process id.
	PID int
	// Syslog makes each record one line, however many its message has, that
	// begins with its severity as "<3>", and has neither time nor color.
	Syslog bool
}

// Handler is a slog.Handler for people. A record is one line; the further lines of a
// message, and values of several lines such as tracebacks, follow indented, so
// that nothing an application logs can pass for a line of its own.
type Handler struct {
	opts  Options
	out   *Output
	pid   int64
	group string // prefix of keys, with its final dot
	attrs line   // of WithAttrs
}

// line is a record being put together: what goes into the line, and below it.
type line struct{ inline, below []byte }

// New returns a handler that writes to out, one Write call for each record.
func New(out *Output, o Options) *Handler {
	return &Handler{opts: o, out: out, pid: int64(o.PID)}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.opts.Level.Level() }

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	g := *h
	g.group += name + "."
	return &g
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := *h
	g.attrs = line{append([]byte(nil), h.attrs.inline...), append([]byte(nil), h.attrs.below...)}
	for _, a := range attrs {
		g.attrs.add(g.group, a, &g.pid)
	}
	return &g
}

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	pid, tail := h.pid, line{}
	r.Attrs(func(a slog.Attr) bool {
		tail.add(h.group, a, &pid)
		return true
	})
	when := r.Time
	if when.IsZero() {
		when = time.Now()
	}
	b := make([]byte, 0, 256)
	if h.opts.Syslog {
		b = append(strconv.AppendInt(append(b, '<'), int64(levelOf(r.Level).severity), 10), ">["...)
	} else {
		b = when.AppendFormat(b, "[2006-01-02 15:04:05 -0700] [")
	}
	b = strconv.AppendInt(b, pid, 10)
	b = append(b, "] ["...)
	b = h.appendLevel(b, r.Level)
	b = append(b, "] "...)
	first, rest, _ := strings.Cut(strings.TrimRight(r.Message, "\r\n"), "\n")
	b = appendText(b, first)
	b = append(b, h.attrs.inline...)
	b = append(b, tail.inline...)
	b = append(b, '\n')
	if rest != "" {
		b = appendLines(b, rest)
	}
	b = append(b, h.attrs.below...)
	b = append(b, tail.below...)
	if h.opts.Syslog {
		b = oneLine(b)
	}
	_, err := h.out.Write(b)
	return err
}

// oneLine joins lines, each of which ends with a line feed.
func oneLine(b []byte) []byte {
	return append(bytes.ReplaceAll(b[:len(b)-1], []byte{'\n'}, []byte(`\n`)), '\n')
}

// levels are those that Python has, the highest first.
var levels = []level{
	{LevelCritical, "CRITICAL", "\x1b[1;31m", syslog.Critical},
	{slog.LevelError, "ERROR", "\x1b[31m", syslog.Error},
	{slog.LevelWarn, "WARNING", "\x1b[33m", syslog.Warning},
	{slog.LevelInfo, "INFO", "\x1b[32m", syslog.Info},
	{math.MinInt, "DEBUG", "\x1b[34m", syslog.Debug},
}

type level struct {
	from        slog.Level
	name, color string
	severity    int // of syslog
}

func levelOf(l slog.Level) *level {
	for i := range levels {
		if l >= levels[i].from {
			return &levels[i]
		}
	}
	return &levels[len(levels)-1]
}

func (h *Handler) appendLevel(b []byte, l slog.Level) []byte {
	level := levelOf(l)
	if !h.opts.Color {
		return append(b, level.name...)
	}
	b = append(b, level.color...)
	b = append(b, level.name...)
	return append(b, "\x1b[0m"...)
}

// add renders an attribute, or takes the worker's process id out of it.
func (l *line) add(group string, a slog.Attr, pid *int64) {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			l.add(group, inner, pid)
		}
		return
	case group == "" && a.Key == PIDKey && v.Kind() == slog.KindInt64:
		*pid = v.Int64()
		return
	case a.Key == logobject.Key:
		return // which the message is
	}
	text := format(v)
	if strings.Contains(text, "\n") {
		l.below = append(l.below, indent...)
		l.below = append(appendText(l.below, group+a.Key), ":\n"...)
		l.below = appendLines(l.below, strings.TrimRight(text, "\n"))
		return
	}
	l.inline = append(l.inline, ' ')
	l.inline = append(appendText(l.inline, group+a.Key), '=')
	l.inline = appendValue(l.inline, text)
}

func format(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		return fmt.Sprint(v.Any())
	}
	return v.String()
}

const indent = "    "

// appendLines writes the lines of s, each indented and ended.
func appendLines(b []byte, s string) []byte {
	for one := range strings.SplitSeq(s, "\n") {
		b = append(b, indent...)
		b = append(appendText(b, strings.TrimSuffix(one, "\r")), '\n')
	}
	return b
}

// appendValue quotes what could be taken for more than one value.
func appendValue(b []byte, s string) []byte {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r)
	}) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// appendText writes s, which is within a line, with control characters escaped:
// they must not steer a terminal.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case r == '\t' || unicode.IsPrint(r):
			b = append(b, s[i:i+n]...)
		default:
			quoted := strconv.AppendQuoteRune(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		i += n
	}
	return b
}
