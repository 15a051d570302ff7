// Package logwriter writes logs from a goroutine of its own, so that an output
// that is slow, or takes nothing, holds up nobody who logs.
package logwriter

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bufferMax bounds the bytes that wait to be written, and so the memory
	// that a blocked output costs (twice this: one buffer is being written).
	bufferMax = 1 << 20
	// writeAt is the number of waiting bytes at which they are written at once.
	writeAt = 64 << 10
	// reportEvery is how often losses are told.
	reportEvery = 10 * time.Second
)

// Writer queues what is written to it, and writes it to an output in order.
type Writer struct {
	delay  time.Duration
	onLost func(lines uint64) (note string)

	main    Lane
	lanesMu sync.Mutex              // held by who adds a lane, or closes all
	lanes   atomic.Pointer[[]*Lane] // all, main first
	closed  bool

	lost    atomic.Uint64
	timer   *time.Timer
	armed   atomic.Bool        // timer will wake the goroutine
	kick    chan struct{}      // to the goroutine: something waits
	flushes chan chan struct{} // to be closed when nothing does
	ending  sync.Once
	stop    chan struct{}
	done    chan struct{}

	outMu sync.Mutex // held while writing
	out   io.WriteCloser
}

// New starts a writer to out, which it owns from now on. What is written may wait
// for delay, so that it goes together with what comes next. onLost is told, from
// time to time and at the end, how many lines could not be written since; what it
// returns is written.
func New(out io.WriteCloser, delay time.Duration, onLost func(lines uint64) (note string)) *Writer {
	w := &Writer{
		delay: delay, onLost: onLost, out: out,
		kick:    make(chan struct{}, 1),
		flushes: make(chan chan struct{}),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	w.main.writer, w.main.limit = w, bufferMax
	w.lanes.Store(&[]*Lane{&w.main})
	w.timer = time.AfterFunc(time.Hour, w.wake)
	w.timer.Stop()
	go w.run()
	return w
}

// Write queues a copy of p, which is whole lines. It never blocks; if too much
// waits, or the writer is closed, the lines are lost and counted. Its error is
// always nil.
func (w *Writer) Write(p []byte) (int, error) {
	w.main.Write(p)
	return len(p), nil
}

// wakeLater lets what waits now be written after the delay, and no later because of what
// comes meanwhile.
func (w *Writer) wakeLater() {
	if w.armed.CompareAndSwap(false, true) {
		w.timer.Reset(w.delay)
	}
}

func (w *Writer) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Lost returns how many lines could not be written so far.
func (w *Writer) Lost() uint64 { return w.lost.Load() }

// Replace makes the writer go on to another output. The present one gets what
// waits, and is closed; between runs between the two.
func (w *Writer) Replace(out io.WriteCloser, between func()) error {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	w.writeWaiting()
	err := w.out.Close()
	between()
	w.out = out
	return err
}

// Flush returns when all that was written before is with the output, at the
// latest after timeout.
func (w *Writer) Flush(timeout time.Duration) {
	late := time.After(timeout)
	flushed := make(chan struct{})
	select {
	case w.flushes <- flushed:
	case <-w.done:
		return
	case <-late:
		return
	}
	select {
	case <-flushed:
	case <-late:
	}
}

// Close writes what waits and closes the output. It gives up after timeout, for
// an output that takes nothing must not keep the program from ending.
func (w *Writer) Close(timeout time.Duration) {
	w.ending.Do(func() {
		w.closeLanes()
		close(w.stop)
		select {
		case <-w.done:
		case <-time.After(timeout):
		}
	})
}

func (w *Writer) closeLanes() {
	w.lanesMu.Lock()
	defer w.lanesMu.Unlock()
	w.closed = true
	for _, l := range *w.lanes.Load() {
		l.close()
	}
}

func (w *Writer) run() {
	defer close(w.done)
	var (
		reported uint64
		last     time.Time
	)
	for stopping := false; !stopping; {
		var flushed chan struct{}
		select {
		case <-w.kick:
		case flushed = <-w.flushes:
		case <-w.stop:
			stopping = true
		}
		w.outMu.Lock()
		w.writeWaiting()
		w.outMu.Unlock()
		if flushed != nil {
			close(flushed)
		}
		if lost := w.Lost(); lost > reported && (stopping || time.Since(last) > reportEvery) {
			note := w.onLost(lost - reported)
			reported, last = lost, time.Now()
			w.outMu.Lock()
			w.write([]byte(note))
			w.outMu.Unlock()
		}
	}
	w.outMu.Lock()
	w.out.Close()
	w.outMu.Unlock()
}

// writeWaiting writes what all lanes hold. The caller holds outMu.
func (w *Writer) writeWaiting() {
	w.armed.Store(false) // first: what comes after it arms the timer again
	for _, l := range *w.lanes.Load() {
		w.write(l.take())
	}
}

// write writes whole lines; what fails is lost and counted.
func (w *Writer) write(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if n, err := w.out.Write(lines); err != nil {
		w.lost.Add(countLines(lines[n:]))
	}
}
