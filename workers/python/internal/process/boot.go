package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// BootError says why a worker did not become ready: see python.BootError, which has the
// same fields.
type BootError struct {
	Phase, Kind, Message, Traceback, Hint string
	Sources                               []string
}

// Error returns the phase and the message.
func (e *BootError) Error() string {
	s := "worker failed to boot"
	if e.Phase != "" {
		s += " (" + e.Phase + ")"
	}
	if e.Kind != "" {
		s += ": " + e.Kind
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Handshake sends the worker its first frames and waits for it to be ready, with plain blocking
// reads: the loop gets the link only once the worker speaks for itself. logs is
// called with each record that the application logs.
func Handshake(ctx context.Context, link *os.File, first [][]byte, timeout time.Duration, logs func(*wire.Record)) (wire.Ready, error) {
	stop := context.AfterFunc(ctx, func() { _ = link.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	until := awake.Now() + timeout
	if err := link.SetDeadline(time.Now().Add(timeout)); err != nil {
		return wire.Ready{}, err
	}
	if ctx.Err() != nil {
		return wire.Ready{}, ctx.Err()
	}
	worker := &bootLink{link, ctx, until}
	for _, frame := range first {
		if _, err := worker.Write(frame); err != nil {
			return wire.Ready{}, err
		}
	}
	var in wire.Reader
	for {
		h, payload, err := wire.ReadFrame(worker, (*wire.FrameHeader).CheckSize)
		if err != nil {
			if ctx.Err() != nil {
				return wire.Ready{}, ctx.Err()
			}
			return wire.Ready{}, err
		}
		switch h.Kind {
		case wire.FrameReady:
			return wire.ParseReady(payload)
		case wire.FrameFailed:
			failed, err := wire.ParseFailed(payload)
			if err == nil {
				err = (*BootError)(&failed)
			}
			return wire.Ready{}, err
		case wire.FrameLog:
			if err := in.Records(payload, logs); err != nil {
				return wire.Ready{}, err
			}
		default:
			return wire.Ready{}, wire.Violation(fmt.Sprintf("frame of type %d before READY", h.Kind))
		}
	}
}

// bootLink is a link whose deadline is one of the clock of deadlines.
type bootLink struct {
	*os.File
	ctx   context.Context
	until time.Duration
}

// Read goes on behind a deadline that has passed while this process was stopped, and so does Write.
func (l *bootLink) Read(p []byte) (int, error) {
	for {
		n, err := l.File.Read(p)
		if n > 0 || !l.goesOn(&err) {
			return n, err
		}
	}
}

func (l *bootLink) Write(p []byte) (int, error) {
	for done := 0; ; {
		n, err := l.File.Write(p[done:])
		if done += n; done == len(p) || !l.goesOn(&err) {
			return done, err
		}
	}
}

// goesOn tells whether what ended with err is to be tried again, or with what it ended.
func (l *bootLink) goesOn(err *error) bool {
	left := l.until - awake.Now()
	if left <= 0 || !errors.Is(*err, os.ErrDeadlineExceeded) || l.ctx.Err() != nil {
		return false
	}
	if *err = l.SetDeadline(time.Now().Add(left)); *err != nil {
		return false
	}
	if l.ctx.Err() != nil { // it came in between, and its deadline is overwritten
		*err = os.ErrDeadlineExceeded
		return false
	}
	return true
}

// Explain makes a BootError of what ended a handshake, with what is known of the
// process.
func Explain(err error, timeout time.Duration, exit *Exit, stderr string) error {
	var boot *BootError
	switch {
	case errors.As(err, &boot) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &BootError{
			Phase: "start", Traceback: stderr,
			Message: fmt.Sprintf("not ready after %v", timeout),
			Hint:    "if the application takes this long to start, allow more with --boot-timeout",
		}
	case exit != nil:
		return &BootError{Phase: "start", Traceback: stderr, Message: "the worker ended before it was ready: it " + exit.Sentence()}
	}
	return &BootError{Phase: "start", Traceback: stderr, Message: err.Error()}
}
