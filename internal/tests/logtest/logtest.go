// Package logtest lets tests look at a log while it is written.
package logtest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Text is what has been written so far, by any goroutine: a log, mostly.
type Text struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// Write adds p.
func (l *Text) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.Write(p)
}

// String returns all of it.
func (l *Text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.String()
}

// Has tells whether s is in it.
func (l *Text) Has(s string) bool { return strings.Contains(l.String(), s) }

// Logger returns a logger that writes records of all levels to it.
func (l *Text) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
