package accesslog

import (
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/logwriter"
	"github.com/asteri/asteri-loop/internal/system/perhome"
)

// writeAfter is how long a line waits for others to be written with it.
const writeAfter = 50 * time.Millisecond

// Log is an asteri.Observer that writes a line for each exchange.
type Log struct {
	format atomic.Pointer[Format]
	off    atomic.Bool // nothing is logged
	out    *logwriter.Writer

	pens *perhome.Values[asteri.Executor, pen]
}

// pen writes the lines of a home, which owns it.
type pen struct {
	to    *logwriter.Lane
	entry entry
	line  []byte
	_     [64]byte // no cache line with another pen
}

// discard is the output of a log that is off.
type discard struct{ io.Writer }

// Close does nothing.
func (discard) Close() error { return nil }

// New starts a log to out, which it owns from now on; nil logs nothing until
// Replace. f must not be nil, for an exchange may end while the log is turned on
// or off. logger is told of lines that were lost.
func New(out io.WriteCloser, f *Format, logger *slog.Logger) *Log {
	l := new(Log)
	l.format.Store(f)
	l.out = logwriter.New(l.output(out), writeAfter, func(lines uint64) string {
		logger.Warn("access log lines were lost", "lines", lines)
		return ""
	})
	l.pens = perhome.New(func(asteri.Executor) *pen { return &pen{to: l.out.Lane()} })
	return l
}

// output notes whether there is one.
func (l *Log) output(out io.WriteCloser) io.WriteCloser {
	l.off.Store(out == nil)
	if out == nil {
		return discard{io.Discard}
	}
	return out
}

// ExchangeDone implements asteri.Observer.
func (l *Log) ExchangeDone(r *asteri.Record) { l.write(r, false) }

// write writes the line of r. The log may have been turned off since a tunnel began.
func (l *Log) write(r *asteri.Record, tunnel bool) {
	if l.off.Load() {
		return
	}
	p := l.pens.At(r.Home)
	p.line = p.entry.appendLine(p.line[:0], l.format.Load(), r, tunnel, time.Now)
	p.to.Write(p.line)
}

// Lost returns how many lines could not be written so far.
func (l *Log) Lost() uint64 { return l.out.Lost() }

// Replace makes the log go on in another format, as SetFormat does, and to another
// output, which may be nil for none. The present one gets what waits, and is closed.
func (l *Log) Replace(f *Format, out io.WriteCloser) {
	// A log that cannot be closed properly was written as far as it could be.
	_ = l.out.Replace(l.output(out), func() { l.SetFormat(f) })
}

// SetFormat makes the log go on in another format; nil keeps the present one.
func (l *Log) SetFormat(f *Format) {
	if f != nil {
		l.format.Store(f)
	}
}

// Close writes what waits and closes the output. It gives up after timeout, for
// an output that takes nothing must not keep the server from ending.
func (l *Log) Close(timeout time.Duration) { l.out.Close(timeout) }
