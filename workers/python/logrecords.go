package python

import (
	"context"
	"log/slog"
	"math"
	"strings"

	"github.com/asteri/asteri-loop/internal/marshal"
)

// logBootRecords is logRecords for a worker that has no requests yet.
func (w *worker) logBootRecords(payload []byte) error {
	return w.logRecords(new(marshal.Walker), payload, func(uint32) slog.Attr { return slog.Attr{} })
}

// logRecords passes a LOG frame to the log. aboutOf returns what names the request of a
// stream, or nothing.
func (w *worker) logRecords(in *marshal.Walker, payload []byte, aboutOf func(stream uint32) slog.Attr) error {
	in.Reset(payload, 1+maxRecords*7, len(payload))
	var v marshal.Value
	if err := in.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.List || v.Int > maxRecords {
		return violation("LOG is not a list, or a long one")
	}
	for n := v.Int; n > 0; n-- {
		if err := w.logRecord(in, aboutOf); err != nil {
			return err
		}
	}
	return in.End()
}

// logRecord logs the next (level, logger, message, stream), which may have an
// exception's type and text, and its traceback, behind it.
func (w *worker) logRecord(in *marshal.Walker, aboutOf func(stream uint32) slog.Attr) error {
	var tuple, level, logger, message, stream marshal.Value
	for _, v := range []*marshal.Value{&tuple, &level, &logger, &message, &stream} {
		if err := in.Next(v); err != nil {
			return err
		}
		if v == &tuple && (v.Kind != marshal.Tuple || v.Int != 4 && v.Int != 6) {
			return violation("record of a log is not a tuple of 4 or 6")
		}
	}
	if level.Kind != marshal.Int || logger.Kind != marshal.Str || message.Kind != marshal.Str || stream.Kind != marshal.Int {
		return violation("record of a log of the wrong shape")
	}
	if len(message.Data) > maxLogMessage {
		return violation("record of a log is too long")
	}
	attrs := []any{"logger", cut(string(logger.Data), maxMetricName)}
	if n := stream.Int; n > 0 && n <= math.MaxUint32 {
		attrs = append(attrs, aboutOf(uint32(n)))
	}
	if tuple.Int == 6 {
		f, err := nextFailure(in)
		if err != nil {
			return err
		}
		attrs = f.attrs(attrs...)
	}
	text := logText{message: validText(message.Data)}
	if tuple.Int == 4 {
		text = readText(text.message)
		attrs = text.attrs(attrs...)
	}
	w.log.Log(context.Background(), slogLevel(min(max(level.Int, 0), maxLevel)), text.message, attrs...)
	return nil
}

func validText(p []byte) string { return strings.ToValidUTF8(string(p), "\uFFFD") }

// maxLevel is more than any of Python's levels.
const maxLevel = 1000

// slogLevel turns one of Python's logging levels into slog's: both have the same
// names in the same order, in steps of 10 and of 4.
func slogLevel(python int64) slog.Level { return slog.Level((python - 20) * 4 / 10) }

func pythonLevel(l slog.Level) int64 { return int64(l)*10/4 + 20 }
