package output

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
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
)

// Pipes passes a worker's standard output and error to the log. Lines that belong
// together, tracebacks above all, are one record: see record.
type Pipes struct {
	log     *slog.Logger
	pipes   []*os.File
	readers sync.WaitGroup

	mu     sync.Mutex
	record record      // not logged yet, since more may belong to it
	pause  *time.Timer // logs it; nil until there is one
	tail   []string    // of standard error
}

// Start begins to read standard output and error of a worker, if it has them.
func Start(log *slog.Logger, pipes []*os.File) *Pipes {
	o := &Pipes{log: log, pipes: pipes}
	if len(pipes) > 0 {
		o.read(pipes[0], "stdout", slog.LevelInfo)
		o.read(pipes[1], "stderr", slog.LevelWarn)
	}
	return o
}

// read begins to read a pipe, of which lines that do not say so are of a level.
func (o *Pipes) read(r io.ReadCloser, source string, level slog.Level) {
	o.readers.Go(func() { o.copyFrom(r, lineMark{source: source, level: level}) })
}

// EndAfter has the reading end at the latest so long from now, when the worker itself
// has ended: only children of it can still write, and there may be one of each worker.
func (o *Pipes) EndAfter(limit time.Duration) {
	time.AfterFunc(limit, func() {
		for _, r := range o.pipes {
			_ = r.Close() // of one that has come to its end there is nothing to close
		}
	})
}

// copyFrom reads r until its end, which may be long after the worker's if the
// application has children that still write.
func (o *Pipes) copyFrom(r io.ReadCloser, pipe lineMark) {
	defer o.flush(pipe.source)
	defer r.Close()
	in := lineReader{in: bufio.NewReaderSize(r, maxLine)}
	mark, cut := pipe, false
	for {
		line, more, ok := in.next(cut)
		if !ok {
			return
		}
		if !cut {
			mark, line = cutMark(line, pipe)
		}
		isRest := cut
		cut = more
		text := strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\uFFFD")
		if mark.whole {
			o.addWhole(text, mark, isRest, cut)
		} else {
			o.add(text, mark)
		}
	}
}

// lineReader cuts a pipe into lines.
type lineReader struct {
	in   *bufio.Reader
	long []byte // a line that is longer than the reader's buffer
}

// next returns the next line, or a part of one that is too long, which is valid until the
// next call; more says that the line goes on. isRest says that it is to be the rest of
// one. It returns false at the end.
func (l *lineReader) next(isRest bool) (line []byte, more, ok bool) {
	line, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) && !isRest && belongsTogether(line) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) && len(l.long)+maxLine <= maxRecord {
			line, err = l.in.ReadSlice('\n')
			l.long = append(l.long, line...)
		}
		line = l.long
	}
	more = errors.Is(err, bufio.ErrBufferFull)
	return line, more, err == nil || more || len(line) > 0
}

// belongsTogether tells whether a line that begins so would be worth nothing in pieces: a
// record of Python's logging, or an object of JSON.
func belongsTogether(line []byte) bool {
	mark, text := cutMark(line, lineMark{})
	return mark.whole || len(text) > 0 && text[0] == '{'
}

// add takes the next line.
func (o *Pipes) add(line string, mark lineMark) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remember(line, mark)
	if o.record.lineMark != mark {
		o.logRecord()
		o.record = record{lineMark: mark}
	}
	if !o.record.goesOn(line) || o.record.isObject() {
		o.logRecord()
		o.record.begin(line)
	} else if o.record.full(line) {
		o.logRecord()
	}
	o.record.add(line)
	o.await()
}

// addWhole takes a record that is in one line, or the rest of one that was cut, and
// perhaps is again.
func (o *Pipes) addWhole(text string, mark lineMark, isRest, cut bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !isRest || o.record.lineMark != mark {
		o.logRecord()
		o.record = record{lineMark: mark}
	}
	for line := range strings.SplitSeq(text, lineBreak) {
		o.remember(line, mark)
		if o.record.full(line) {
			o.logRecord()
		}
		o.record.add(line)
	}
	if cut {
		o.await()
	} else {
		o.logRecord()
	}
}

// remember keeps the last lines of standard error.
func (o *Pipes) remember(line string, mark lineMark) {
	if line == "" || mark.source != "stderr" {
		return
	}
	if len(o.tail) == tailLines {
		o.tail = append(o.tail[:0], o.tail[1:]...)
	}
	o.tail = append(o.tail, line)
}

// await has the record logged unless more comes soon.
func (o *Pipes) await() {
	if o.pause == nil {
		o.pause = time.AfterFunc(joinPause, func() { o.flush("stdout", "stderr") })
		return
	}
	o.pause.Reset(joinPause)
}

// flush logs the record if it is of one of the sources.
func (o *Pipes) flush(sources ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, source := range sources {
		if o.record.source == source {
			o.logRecord()
		}
	}
}

// logRecord logs with o.mu held, so that records keep their order.
func (o *Pipes) logRecord() {
	raw := o.record.take()
	if raw == "" {
		return
	}
	level, text := o.record.level, readText(raw)
	if text.object != nil && !o.record.whole {
		if said, ok := text.object.Level(); ok {
			level = said
		}
	}
	o.log.Log(context.Background(), level, text.message, text.attrs(o.record.attrs()...)...)
}

// Wait returns when all output has been read, or after a time.
func (o *Pipes) Wait(limit time.Duration) {
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

// LastLines returns the end of standard error, waiting a moment for it.
func (o *Pipes) LastLines(limit time.Duration) string {
	o.Wait(limit)
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.tail, "\n")
}
