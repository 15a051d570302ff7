package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/asteri/asteri-loop/internal/accesslog"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
)

// logs are the server's log and its access log.
type logs struct {
	*slog.Logger
	// terminal says that the log is read on a terminal, in color if color
	// is set too.
	terminal, color bool

	level  slog.LevelVar
	output *logging.Output
	access *accesslog.Log
	// observing says that requests are logged at all, which is decided at
	// the start: a protocol without an observer has less to do.
	observing bool
}

// flushTimeout is how long the end of the server waits for each log.
const flushTimeout = 2 * time.Second

func openLogs(cfg *config.Config) (*logs, error) {
	file, err := logging.Open(cfg.ErrorLogfile, os.Stderr)
	if err != nil {
		return nil, fmt.Errorf("error log: %w", err)
	}
	l := &logs{output: logging.NewOutput(file)}
	if cfg.ErrorLogfile == "-" {
		l.terminal, l.color = logging.IsTerminal(os.Stderr), logging.Color(os.Stderr, os.Getenv)
	}
	l.setLevel(cfg)
	l.Logger = slog.New(logging.New(l.output, logging.Options{Level: &l.level, Color: l.color, PID: os.Getpid()}))
	format, out, err := openAccess(cfg)
	if err != nil {
		l.output.Close(flushTimeout)
		return nil, err
	}
	l.access, l.observing = accesslog.New(out, format, l.Logger), out != nil
	return l, nil
}

// setLevel takes over a level that Load has checked.
func (l *logs) setLevel(cfg *config.Config) {
	if level, err := logging.Level(cfg.LogLevel); err == nil {
		l.level.Set(level)
	}
}

func openAccess(cfg *config.Config) (*accesslog.Format, io.WriteCloser, error) {
	path := accessPath(cfg)
	format, err := accesslog.Compile(cfg.AccessLogformat, accesslog.Options{
		Color:    path == "-" && logging.Color(os.Stdout, os.Getenv),
		PID:      os.Getpid(),
		Software: software(),
	})
	if err != nil {
		return nil, nil, err
	}
	if path == "" {
		return format, nil, nil
	}
	out, err := logging.Open(path, os.Stdout)
	if err != nil {
		return nil, nil, fmt.Errorf("access log: %w", err)
	}
	return format, out, nil
}

// accessPath resolves the words that the setting may hold; empty is no log.
func accessPath(cfg *config.Config) string {
	switch cfg.AccessLogfile {
	case "none", "":
		return ""
	case "auto":
		if logging.IsTerminal(os.Stdout) {
			return "-"
		}
		return ""
	}
	return cfg.AccessLogfile
}

// reopen opens the files again, under the names that cfg has for them, so that
// they can be rotated. What cannot be opened stays as it is.
func (l *logs) reopen(cfg *config.Config) error {
	file, err := logging.Open(cfg.ErrorLogfile, os.Stderr)
	if err != nil {
		return fmt.Errorf("error log: %w", err)
	}
	format, out, err := openAccess(cfg)
	if err != nil {
		file.Close()
		return err
	}
	l.setLevel(cfg)
	l.access.Replace(format, out)
	if out != nil && !l.observing {
		l.Warn("An access log where there was none at the start needs a restart")
	}
	return l.output.Replace(file)
}

// print writes text for a person, in its place between what is logged.
func (l *logs) print(text string) { _, _ = l.output.Write([]byte(text)) } // has no error

// close ends the logs, so that nothing that was logged is lost: the access log
// first, which may have to tell of losses.
func (l *logs) close() {
	l.access.Close(flushTimeout)
	l.output.Close(flushTimeout)
}
