package logging

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/asteri/asteri-loop/internal/observe/logobject"
)

// NewJSON returns a handler that writes each record to out as one line of JSON: time,
// level by Python's names, message, pid, and the attributes, or the members of a
// logobject.Object.
// Durations are in seconds. Of o it takes Level and PID.
func NewJSON(out *Output, o Options) slog.Handler {
	return &jsonHandler{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: forMachines}), slog.Int(PIDKey, o.PID)}
}

// jsonHandler adds the server's process id to records that have none.
type jsonHandler struct {
	slog.Handler
	pid slog.Attr // empty once a record has one, or cannot have one at the top
}

// forMachines renames what slog adds, and gives values a form that needs no parser.
func forMachines(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 {
		switch a.Key {
		case slog.TimeKey:
			return slog.String("time", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		case slog.LevelKey:
			if l, ok := a.Value.Any().(slog.Level); ok {
				return slog.String("level", levelOf(l).name)
			}
		case slog.MessageKey:
			a.Key = "message"
		}
	}
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Round(time.Microsecond).Seconds())
	}
	return a
}

// WithGroup implements slog.Handler.
func (h *jsonHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	inner := h.Handler
	if h.pid.Key != "" {
		inner = inner.WithAttrs([]slog.Attr{h.pid})
	}
	return &jsonHandler{inner.WithGroup(name), slog.Attr{}}
}

// WithAttrs implements slog.Handler.
func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := &jsonHandler{h.Handler.WithAttrs(attrs), h.pid}
	if slices.ContainsFunc(attrs, isPID) {
		g.pid = slog.Attr{}
	}
	return g
}

// Handle implements slog.Handler.
func (h *jsonHandler) Handle(ctx context.Context, r slog.Record) error {
	if o := logobject.Of(r); o != nil {
		r = o.Record(r)
	}
	has := h.pid.Key == ""
	r.Attrs(func(a slog.Attr) bool {
		has = has || isPID(a)
		return !has
	})
	if !has {
		r = r.Clone()
		r.AddAttrs(h.pid)
	}
	return h.Handler.Handle(ctx, r)
}

func isPID(a slog.Attr) bool { return a.Key == PIDKey }
