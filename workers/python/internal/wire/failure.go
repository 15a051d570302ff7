package wire

import "github.com/asteri/asteri-loop/workers/python/internal/marshal"

// Failure is what the log says of an application that failed.
type Failure struct {
	Message   string // the exception's type and text, or what was wrong
	Traceback string // empty if there was no exception
}

// Attrs are those of the record of a request that failed: the exception, what names the
// request, the traceback.
func (f *Failure) Attrs(more ...any) []any {
	attrs := append([]any{"error", f.Message}, more...)
	if f.Traceback != "" {
		attrs = append(attrs, "traceback", f.Traceback)
	}
	return attrs
}

// nextFailure reads the message and the traceback of a failure.
func nextFailure(in *marshal.Walker) (Failure, error) {
	var message, traceback marshal.Value
	for _, v := range []*marshal.Value{&message, &traceback} {
		if err := in.Next(v); err != nil {
			return Failure{}, err
		}
		if v.Kind != marshal.Str {
			return Failure{}, Violation("what is said of a failure is not a str")
		}
	}
	return Failure{validText(message.Data), validText(traceback.Data)}, nil
}

// Failure reads the one (message, traceback) that a payload is.
func (in *Reader) Failure(payload []byte) (Failure, error) {
	if err := in.tuple(payload, 2, len(payload)); err != nil {
		return Failure{}, err
	}
	f, err := nextFailure(&in.walker)
	if err != nil {
		return Failure{}, err
	}
	return f, in.walker.End()
}
