package loop

import (
	"fmt"
	"log/slog"
	"runtime"
)

// What a program gives to the reactor (sessions, protocols, files, functions that are
// posted or that the configuration names) may panic, or end its goroutine by
// runtime.Goexit. That costs the connection whose turn it is, and nothing else: every
// list that a tick works through is taken from before the call, and what a connection
// holds is released step by step, so that the next tick goes on where this one ended.

// PanicError is the cause with which a connection ends whose session panicked, or
// another function of the program's that was called for it. Handlers have a type of
// their own (asteri.PanicError): this package does not know them, and the handler
// contract imports nothing of the module, so that neither can have the other's.
type PanicError struct {
	// Value is what it panicked with; nil if it ended its goroutine.
	Value any
}

// Error names the value.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "session ended its goroutine"
	}
	return fmt.Sprintf("session panicked: %v", e.Value)
}

// Unwrap returns the value if that is an error, such as a *MisuseError.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// recoverTick confines a panic to the connection whose turn it is.
func (l *Loop) recoverTick() {
	if v := recover(); v != nil {
		l.crashed("a session panicked", v)
	}
}

func (l *Loop) crashed(what string, v any) {
	l.stats.panics.Add(1)
	l.unfinished = true
	c := l.current
	l.current = nil
	if c != nil {
		c.failed(v)
	}
	logPanic(l.log, what, v, "loop", l.id)
}

// failed ends the connection for a call that did not return. One that is closed already
// is looked after again, until it has released everything.
func (c *conn) failed(v any) {
	if c.state == stateClosed {
		c.loop.closing.add(c)
		return
	}
	c.Abort(&PanicError{v})
}

// recoverFrom confines a panic on a goroutine that is nobody's.
func recoverFrom(log *slog.Logger, what string) {
	if v := recover(); v != nil {
		logPanic(log, what, v)
	}
}

// logPanic may be called from any goroutine. A logger that panics itself has been told.
func logPanic(log *slog.Logger, what string, v any, args ...any) {
	defer func() { _ = recover() }()
	buf := make([]byte, 16<<10)
	buf = buf[:runtime.Stack(buf, false)]
	log.Error(what, append(args, "panic", v, "stack", string(buf))...)
}
