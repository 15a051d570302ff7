package python

import (
	"log/slog"

	"github.com/asteri/asteri-loop/internal/marshal"
)

// failure is what the log says of an application that failed.
type failure struct {
	message   string // the exception's type and text, or what was wrong
	traceback string // empty if there was no exception
}

// attrs are those of the record of a request that failed: the exception, what names the
// request, the traceback.
func (f *failure) attrs(more ...any) []any {
	attrs := append([]any{"error", f.message}, more...)
	if f.traceback != "" {
		attrs = append(attrs, "traceback", f.traceback)
	}
	return attrs
}

// nextFailure reads the message and the traceback of a failure.
func nextFailure(in *marshal.Walker) (failure, error) {
	var message, traceback marshal.Value
	for _, v := range []*marshal.Value{&message, &traceback} {
		if err := in.Next(v); err != nil {
			return failure{}, err
		}
		if v.Kind != marshal.Str {
			return failure{}, violation("what is said of a failure is not a str")
		}
	}
	return failure{validText(message.Data), validText(traceback.Data)}, nil
}

// onFailure handles ABORT and ERROR.
func (l *link) onFailure(c *call, h header, payload []byte) error {
	what, err := l.readFailure(payload)
	if err != nil {
		return err
	}
	l.begins(c) // there is nothing to be tried again
	c.complete = true
	if h.kind == frameAbort && h.flags&flagLeft != 0 {
		c.toHome(l.loop, c.gaveUp)
		return nil
	}
	c.toHome(l.loop, func() { c.failed(l.log, what) })
	return nil
}

// readFailure reads the one (message, traceback) that a payload is.
func (l *link) readFailure(payload []byte) (failure, error) {
	if err := l.tuple(payload, 2, len(payload)); err != nil {
		return failure{}, err
	}
	f, err := nextFailure(&l.walker)
	if err != nil {
		return failure{}, err
	}
	return f, l.walker.End()
}

// aboutOf returns what names the request of a stream in the log; nothing if the stream
// has ended.
func (l *link) aboutOf(stream uint32) slog.Attr {
	if c := l.calls.get(stream); c != nil {
		return c.req.LogAttr()
	}
	if s := l.calls.sockets[stream]; s != nil {
		return s.about
	}
	return slog.Attr{}
}
