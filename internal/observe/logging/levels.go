package logging

import (
	"context"
	"log/slog"
	"strings"
)

// LoggerKey is the attribute that names the logger of Python by which an application
// has logged.
const LoggerKey = "logger"

// WithLevels returns a handler that passes to next, which takes all levels, what
// least allows, or for records of a logger what of says of it: levels of loggers by
// name, of which each counts for those below it, too ("django" for "django.db").
func WithLevels(next slog.Handler, least slog.Leveler, of map[string]slog.Level) slog.Handler {
	return &levelHandler{next, least, of}
}

type levelHandler struct {
	slog.Handler
	least slog.Leveler
	of    map[string]slog.Level
}

// Enabled implements slog.Handler: whose record it will be is not known yet.
func (h *levelHandler) Enabled(_ context.Context, l slog.Level) bool {
	if l >= h.least.Level() {
		return true
	}
	for _, least := range h.of {
		if l >= least {
			return true
		}
	}
	return false
}

// Handle implements slog.Handler.
func (h *levelHandler) Handle(ctx context.Context, r slog.Record) error {
	least := h.least.Level()
	if len(h.of) > 0 {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key != LoggerKey {
				return true
			}
			least = h.levelOf(a.Value.String(), least)
			return false
		})
	}
	if r.Level < least {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// levelOf finds the level of the nearest logger that has one.
func (h *levelHandler) levelOf(logger string, otherwise slog.Level) slog.Level {
	for name := logger; ; {
		if l, ok := h.of[name]; ok {
			return l
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return otherwise
		}
		name = name[:dot]
	}
}

// WithAttrs implements slog.Handler.
func (h *levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &levelHandler{h.Handler.WithAttrs(attrs), h.least, h.of}
}

// WithGroup implements slog.Handler.
func (h *levelHandler) WithGroup(name string) slog.Handler {
	return &levelHandler{h.Handler.WithGroup(name), h.least, h.of}
}
