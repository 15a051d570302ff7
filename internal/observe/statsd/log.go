package statsd

import (
	"context"
	"log/slog"

	"github.com/asteri/asteri-loop/internal/observe/logging"
)

// levels are gunicorn's names for the levels that are counted.
var levels = [...]string{"gunicorn.log.warning", "gunicorn.log.error", "gunicorn.log.critical", "gunicorn.log.exception"}

// Logs returns a handler that counts records by level and leaves them to next.
func (c *Client) Logs(next slog.Handler) slog.Handler { return &handler{next, c} }

type handler struct {
	slog.Handler
	client *Client
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= logging.LevelCritical:
		h.client.logged[2].Add(1)
	case r.Level >= slog.LevelError && hasTraceback(r):
		h.client.logged[3].Add(1)
	case r.Level >= slog.LevelError:
		h.client.logged[1].Add(1)
	case r.Level >= slog.LevelWarn:
		h.client.logged[0].Add(1)
	}
	return h.Handler.Handle(ctx, r)
}

// hasTraceback tells what gunicorn logs as an exception, and counts as nothing else.
func hasTraceback(r slog.Record) (has bool) {
	r.Attrs(func(a slog.Attr) bool {
		has = a.Key == "traceback"
		return !has
	})
	return has
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.client}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.client}
}
