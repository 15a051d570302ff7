package accesslog

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
)

const (
	// bufferMax bounds the bytes that wait to be written, and so the memory
	// that a blocked output costs (twice this: one buffer is being written).
	bufferMax = 1 << 20
	// writeAt is the number of waiting bytes at which they are written at
	// once, writeAfter the time after which they are written anyway.
	writeAt    = 64 << 10
	writeAfter = 50 * time.Millisecond
	// reportEvery is how often losses are told to the logger.
	reportEvery = 10 * time.Second
)

// Log is an asteri.Observer that writes a line for each exchange.
type Log struct {
	format  atomic.Pointer[Format]
	scratch sync.Pool // of *[]byte
	logger  *slog.Logger

	mu      sync.Mutex
	pending []byte
	closed  bool

	lost  atomic.Uint64
	timer *time.Timer
	kick  chan struct{} // to the writer: something waits
	stop  chan struct{}
	done  chan struct{}

	off   atomic.Bool // nothing is logged
	outMu sync.Mutex  // held while writing
	out   io.WriteCloser
}

// discard is the output of a log that is off.
type discard struct{ io.Writer }

// Close does nothing.
func (discard) Close() error { return nil }

// New starts a log to out, which it owns from now on; nil logs nothing until
// Replace. logger is told of lines that were lost.
func New(out io.WriteCloser, f *Format, logger *slog.Logger) *Log {
	l := &Log{
		logger:  logger,
		kick:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		scratch: sync.Pool{New: func() any { return new([]byte) }},
	}
	l.format.Store(f)
	l.setOutput(out)
	l.timer = time.AfterFunc(time.Hour, l.wake)
	l.timer.Stop()
	go l.run()
	return l
}

// ExchangeDone implements asteri.Observer.
func (l *Log) ExchangeDone(r *asteri.Record) {
	if l.off.Load() {
		return
	}
	line := l.scratch.Get().(*[]byte)
	var now time.Time
	if r.Request == nil {
		now = time.Now()
	}
	*line = l.format.Load().Append((*line)[:0], r, now)
	l.add(*line)
	l.scratch.Put(line)
}

func (l *Log) add(line []byte) {
	l.mu.Lock()
	before := len(l.pending)
	fits := !l.closed && before+len(line) <= bufferMax
	if fits {
		l.pending = append(l.pending, line...)
	}
	l.mu.Unlock()
	switch {
	case !fits:
		l.lost.Add(1)
	case before == 0:
		l.timer.Reset(writeAfter)
	case before < writeAt && before+len(line) >= writeAt:
		l.wake()
	}
}

func (l *Log) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Lost returns how many lines could not be written so far.
func (l *Log) Lost() uint64 { return l.lost.Load() }

// Replace makes the log go on in another format and to another output, which may
// be nil for none. The present one gets what waits, and is closed.
func (l *Log) Replace(f *Format, out io.WriteCloser) {
	l.outMu.Lock()
	defer l.outMu.Unlock()
	l.write(l.take(nil))
	l.out.Close()
	l.format.Store(f)
	l.setOutput(out)
}

func (l *Log) setOutput(out io.WriteCloser) {
	l.off.Store(out == nil)
	if out == nil {
		out = discard{io.Discard}
	}
	l.out = out
}

// Close writes what waits and closes the output. It gives up after timeout, for
// an output that takes nothing must not keep the server from ending.
func (l *Log) Close(timeout time.Duration) {
	l.mu.Lock()
	wasClosed := l.closed
	l.closed = true
	l.mu.Unlock()
	if wasClosed {
		return
	}
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(timeout):
	}
}

// run is the writer.
func (l *Log) run() {
	defer close(l.done)
	var (
		buffer   []byte
		reported uint64
		last     time.Time
	)
	for stopping := false; !stopping; {
		select {
		case <-l.kick:
		case <-l.stop:
			stopping = true
		}
		l.outMu.Lock()
		buffer = l.take(buffer)
		l.write(buffer)
		l.outMu.Unlock()
		if lost := l.Lost(); lost > reported && (stopping || time.Since(last) > reportEvery) {
			l.logger.Warn("access log lines were lost", "lines", lost-reported)
			reported, last = lost, time.Now()
		}
	}
	l.outMu.Lock()
	l.out.Close()
	l.outMu.Unlock()
}

// take returns what waits and leaves buffer's memory for what comes next.
func (l *Log) take(buffer []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.pending
	l.pending = buffer[:0]
	return taken
}

// write writes whole lines; what fails is lost and counted.
func (l *Log) write(lines []byte) {
	if len(lines) == 0 {
		return
	}
	n, err := l.out.Write(lines)
	if err != nil {
		l.lost.Add(countLines(lines[n:]))
	}
}

func countLines(p []byte) (n uint64) {
	for _, c := range p {
		if c == '\n' {
			n++
		}
	}
	return n
}
