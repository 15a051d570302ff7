package output

import (
	"context"
	"log/slog"
	"strings"

	"github.com/asteri/asteri-loop/internal/observe/logobject"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// What an application writes is text, whoever wrote it: Python's logging, wsgi.errors, a
// framework, print. The log tells two things in it apart, so that its records have one
// shape under all models: an object of JSON, and a traceback.

// LogRecord passes a record of an application to the log. about is what names its request,
// or nothing.
func LogRecord(log *slog.Logger, r *wire.Record, about slog.Attr) {
	attrs := []any{"logger", r.Logger}
	if r.Stream != 0 {
		attrs = append(attrs, about)
	}
	text := logText{message: r.Message}
	if r.Failed {
		attrs = r.Failure.Attrs(attrs...)
	} else {
		text = readText(text.message)
		attrs = text.attrs(attrs...)
	}
	log.Log(context.Background(), r.Level, text.message, attrs...)
}

// logText is a text of an application as the log has it.
type logText struct {
	message string
	failure wire.Failure // of a traceback in it
	object  *logobject.Object
}

// readText takes a text apart.
func readText(text string) logText {
	if strings.HasPrefix(text, "{") {
		if o := logobject.Parse(text); o != nil {
			return logText{message: text, object: o}
		}
	}
	before, traceback := cutTraceback(text)
	if traceback == "" {
		return logText{message: text}
	}
	t := logText{message: before, failure: wire.Failure{Message: raisedIn(traceback), Traceback: traceback}}
	if before == "" {
		t.message = t.failure.Message
	}
	return t
}

// attrs are those of its record.
func (t *logText) attrs(more ...any) []any {
	if t.object != nil {
		return append(more, slog.Any(logobject.Key, t.object))
	}
	if t.failure.Traceback != "" {
		return t.failure.Attrs(more...)
	}
	return more
}

// cutTraceback cuts a text where its first traceback begins. The latter is empty if there
// is none that is whole.
func cutTraceback(text string) (before, traceback string) {
	at := len(text)
	for _, head := range []string{tracebackHead, groupHead} {
		if strings.HasPrefix(text, head) {
			at = 0
		} else if i := strings.Index(text, "\n"+head); i >= 0 {
			at = min(at, i+1)
		}
	}
	traceback = text[at:]
	if raisedIn(traceback) == "" {
		return text, ""
	}
	return strings.TrimRight(text[:at], "\n"), traceback
}

// raisedIn returns the type and the text of the exception that a traceback, or the last of
// several, is of: what follows its frames, which are indented. It is empty if the traceback
// ends before.
func raisedIn(traceback string) string {
	raised, margin, inFrames := "", "", false
	for rest := traceback; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		switch line {
		case tracebackHead:
			raised, margin, inFrames = "", "", true
		case groupHead:
			raised, margin, inFrames = "", groupMargin, true
		default:
			said, ok := strings.CutPrefix(line, margin)
			if !inFrames || !ok || said == "" || said[0] == ' ' || said[0] == '\t' {
				break
			}
			inFrames = false
			if raised = said; margin == "" {
				raised = rest // its text may have several lines
			}
		}
		rest = after
	}
	return wire.Cut(strings.TrimRight(raised, "\n"), maxRaised)
}

// groupHead begins the traceback of a group of exceptions, whose lines have groupMargin.
const (
	groupHead   = "  + Exception Group " + tracebackHead
	groupMargin = "  | "
)

// maxRaised bounds the type and text of an exception, in bytes.
const maxRaised = 8 << 10
