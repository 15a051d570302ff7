package output

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// lineMark is what is known of a line beside its text: the pipe that it came by, and
// what the worker says in front of it (PROTOCOL.md, "Output").
type lineMark struct {
	source             string // of the pipe
	level              slog.Level
	logger             string // of Python; empty if the line was not logged
	requestID, traceID string
	whole              bool // the line is a record of Python's logging
}

// Separators within a line. What an application writes does not begin with the first.
const (
	markStart = '\x1e'
	markField = "\x1f"
	lineBreak = "\x1d" // in a whole record
	// maxMark bounds a mark, in bytes.
	maxMark = 1 << 10
)

// cutMark takes the mark off the front of a line. One without, or with what is none, is
// of the pipe as such.
func cutMark(line []byte, pipe lineMark) (mark lineMark, text []byte) {
	if len(line) == 0 || line[0] != markStart {
		return pipe, line
	}
	parts := bytes.SplitN(line[1:], []byte(markField), 5)
	if len(parts) != 5 || len(line)-len(parts[4]) > maxMark {
		return pipe, line
	}
	mark = pipe
	if len(parts[0]) > 0 {
		level, err := strconv.Atoi(string(parts[0]))
		if err != nil || level < 0 || level > 1000 {
			return pipe, line
		}
		mark.level, mark.whole = wire.Level(int64(level)), true
	}
	mark.requestID = printable(parts[1])
	mark.traceID = printable(parts[2])
	mark.logger = printable(parts[3])
	return mark, parts[4]
}

func printable(p []byte) string { return strings.ToValidUTF8(string(p), "\uFFFD") }

// attrs are those of a record with this mark.
func (m *lineMark) attrs() []any {
	attrs := make([]any, 0, 8)
	if m.logger != "" {
		attrs = append(attrs, "logger", m.logger)
	}
	attrs = append(attrs, "source", m.source)
	if m.requestID != "" {
		attrs = append(attrs, "request_id", m.requestID)
	}
	if m.traceID != "" {
		attrs = append(attrs, "trace_id", m.traceID)
	}
	return attrs
}
