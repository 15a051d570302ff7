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

// maxLine is the longest line of a worker's output that is logged as one
// record, and tailLines how many of the last lines are kept to explain a worker
// that did not become ready.
const (
	maxLine   = 8 << 10
	tailLines = 20
)

// output passes a worker's standard output and error to the log, line by line.
type output struct {
	log     *slog.Logger
	readers sync.WaitGroup

	mu   sync.Mutex
	tail []string // of standard error
}

// start begins to read both of the process's pipes.
func (o *output) start(p *process) {
	o.readers.Add(2)
	go o.copyFrom(p.output[0], "stdout", slog.LevelInfo)
	go o.copyFrom(p.output[1], "stderr", slog.LevelWarn)
}

// copyFrom reads r until its end, which may be long after the worker's if the
// application has children that still write.
func (o *output) copyFrom(r io.ReadCloser, source string, level slog.Level) {
	defer o.readers.Done()
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		// A line that fills the buffer is cut there and goes on as the next.
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && len(line) == 0 {
			return
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			o.line(strings.ToValidUTF8(string(line), "\uFFFD"), source, level)
		}
	}
}

func (o *output) line(s, source string, level slog.Level) {
	if source == "stderr" {
		o.mu.Lock()
		if len(o.tail) == tailLines {
			o.tail = append(o.tail[:0], o.tail[1:]...)
		}
		o.tail = append(o.tail, s)
		o.mu.Unlock()
	}
	o.log.Log(context.Background(), level, s, "source", source)
}

// lastLines returns the end of standard error, waiting a moment for it: a child of
// the worker may keep the pipe open.
func (o *output) lastLines() string {
	complete := make(chan struct{})
	go func() {
		o.readers.Wait()
		close(complete)
	}()
	select {
	case <-complete:
	case <-time.After(exitPatience):
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.tail, "\n")
}
