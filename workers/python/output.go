package python

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine is the longest line of a worker's output, in bytes. The rest of a
	// longer one counts as the next.
	maxLine = 8 << 10
	// tailLines is how many of the last lines are kept to explain a worker that
	// did not become ready.
	tailLines = 20
	// joinPause ends a record to which nothing was added for so long.
	joinPause = 20 * time.Millisecond
	// lastWords is how long the output of a worker that has exited is read before
	// that is reported. What it wrote is in the pipe; only a child of it may hold
	// the pipe open for longer.
	lastWords = 100 * time.Millisecond
)

// output passes a worker's standard output and error to the log. Lines that belong
// together, tracebacks above all, are one record: see outputRecord.
type output struct {
	log     *slog.Logger
	readers sync.WaitGroup

	mu     sync.Mutex
	record outputRecord // not logged yet, since more may belong to it
	pause  *time.Timer  // logs it; nil until there is one
	tail   []string     // of standard error
}

// start begins to read both of the process's pipes.
func (o *output) start(p *process) {
	o.read(p.output[0], "stdout", slog.LevelInfo)
	o.read(p.output[1], "stderr", slog.LevelWarn)
}

func (o *output) read(r io.ReadCloser, source string, level slog.Level) {
	o.readers.Go(func() { o.copyFrom(r, source, level) })
}

// copyFrom reads r until its end, which may be long after the worker's if the
// application has children that still write.
func (o *output) copyFrom(r io.ReadCloser, source string, level slog.Level) {
	defer o.flush(source)
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && len(line) == 0 {
			return
		}
		line = bytes.TrimRight(line, "\r\n")
		o.add(strings.ToValidUTF8(string(line), "\uFFFD"), source, level)
	}
}

// add takes the next line of source.
func (o *output) add(line, source string, level slog.Level) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if line != "" && source == "stderr" {
		if len(o.tail) == tailLines {
			o.tail = append(o.tail[:0], o.tail[1:]...)
		}
		o.tail = append(o.tail, line)
	}
	if o.record.source != source {
		o.logRecord()
		o.record = outputRecord{source: source, level: level}
	}
	if !o.record.goesOn(line) {
		o.logRecord()
		o.record.begin(line)
	} else if o.record.full(line) {
		o.logRecord()
	}
	o.record.add(line)
	o.await()
}

// await has the record logged unless more comes soon.
func (o *output) await() {
	if o.pause == nil {
		o.pause = time.AfterFunc(joinPause, func() { o.flush("stdout", "stderr") })
		return
	}
	o.pause.Reset(joinPause)
}

// flush logs the record if it is of one of the sources.
func (o *output) flush(sources ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, source := range sources {
		if o.record.source == source {
			o.logRecord()
		}
	}
}

// logRecord logs with o.mu held, so that records keep their order.
func (o *output) logRecord() {
	if text := o.record.take(); text != "" {
		o.log.Log(context.Background(), o.record.level, text, "source", o.record.source)
	}
}

// wait returns when all output has been read, or after a time.
func (o *output) wait(limit time.Duration) {
	complete := make(chan struct{})
	go func() {
		o.readers.Wait()
		close(complete)
	}()
	select {
	case <-complete:
	case <-time.After(limit):
	}
}

// lastLines returns the end of standard error, waiting a moment for it.
func (o *output) lastLines() string {
	o.wait(exitPatience)
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.tail, "\n")
}
