package accesslog

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/logwriter"
)

// writeAfter is how long a line waits for others to be written with it.
const writeAfter = 50 * time.Millisecond

// Log is an asteri.Observer that writes a line for each exchange.
type Log struct {
	format  atomic.Pointer[Format]
	scratch sync.Pool   // of *[]byte
	off     atomic.Bool // nothing is logged
	out     *logwriter.Writer
}

// discard is the output of a log that is off.
type discard struct{ io.Writer }

// Close does nothing.
func (discard) Close() error { return nil }

// New starts a log to out, which it owns from now on; nil logs nothing until
// Replace. logger is told of lines that were lost.
func New(out io.WriteCloser, f *Format, logger *slog.Logger) *Log {
	l := &Log{scratch: sync.Pool{New: func() any { return new([]byte) }}}
	l.format.Store(f)
	l.out = logwriter.New(l.output(out), writeAfter, func(lines uint64) string {
		logger.Warn("access log lines were lost", "lines", lines)
		return ""
	})
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
func (l *Log) ExchangeDone(r *asteri.Record) {
	if !l.off.Load() {
		l.write(r, false)
	}
}

func (l *Log) write(r *asteri.Record, tunnel bool) {
	line := l.scratch.Get().(*[]byte)
	var now time.Time
	if r.Request == nil {
		now = time.Now()
	}
	*line = l.format.Load().append((*line)[:0], r, now, tunnel)
	_, _ = l.out.Write(*line) // has no error
	l.scratch.Put(line)
}

// Lost returns how many lines could not be written so far.
func (l *Log) Lost() uint64 { return l.out.Lost() }

// Replace makes the log go on in another format and to another output, which may
// be nil for none. The present one gets what waits, and is closed.
func (l *Log) Replace(f *Format, out io.WriteCloser) {
	// A log that cannot be closed properly was written as far as it could be.
	_ = l.out.Replace(l.output(out), func() { l.format.Store(f) })
}

// Close writes what waits and closes the output. It gives up after timeout, for
// an output that takes nothing must not keep the server from ending.
func (l *Log) Close(timeout time.Duration) { l.out.Close(timeout) }
