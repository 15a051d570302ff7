package wire

import (
	"log/slog"
	"math"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// Record is a record of an application's log.
type Record struct {
	Level   slog.Level
	Logger  string
	Message string
	Stream  uint32 // of the request that it is about; 0 for none
	// Failure is the exception that it is about, if Failed says that there is one.
	Failure Failure
	Failed  bool
}

// Records reads a LOG frame, and calls each with its records as they are read.
func (in *Reader) Records(payload []byte, each func(*Record)) error {
	in.walker.Reset(payload, 1+maxRecords*7, len(payload))
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.List || v.Int > maxRecords {
		return Violation("LOG is not a list, or a long one")
	}
	for n := v.Int; n > 0; n-- {
		r, err := in.record()
		if err != nil {
			return err
		}
		each(&r)
	}
	return in.walker.End()
}

// record reads the next (level, logger, message, stream), which may have an exception's
// type and text, and its traceback, behind it.
func (in *Reader) record() (r Record, err error) {
	var tuple, level, logger, message, stream marshal.Value
	for _, v := range []*marshal.Value{&tuple, &level, &logger, &message, &stream} {
		if err := in.walker.Next(v); err != nil {
			return r, err
		}
		if v == &tuple && (v.Kind != marshal.Tuple || v.Int != 4 && v.Int != 6) {
			return r, Violation("record of a log is not a tuple of 4 or 6")
		}
	}
	if level.Kind != marshal.Int || logger.Kind != marshal.Str || message.Kind != marshal.Str || stream.Kind != marshal.Int {
		return r, Violation("record of a log of the wrong shape")
	}
	if len(message.Data) > maxLogMessage {
		return r, Violation("record of a log is too long")
	}
	r = Record{
		Level: Level(min(max(level.Int, 0), maxLevel)), Logger: Cut(string(logger.Data), maxLogger),
		Message: validText(message.Data), Failed: tuple.Int == 6,
	}
	if n := stream.Int; n > 0 && n <= math.MaxUint32 {
		r.Stream = uint32(n)
	}
	if r.Failed {
		r.Failure, err = nextFailure(&in.walker)
	}
	return r, err
}

// maxLevel is more than any of Python's levels.
const maxLevel = 1000

// Level turns one of Python's logging levels into slog's: both have the same names in the
// same order, in steps of 10 and of 4.
func Level(python int64) slog.Level { return slog.Level((python - 20) * 4 / 10) }

// PythonLevel is the other way round.
func PythonLevel(l slog.Level) int64 { return int64(l)*10/4 + 20 }
