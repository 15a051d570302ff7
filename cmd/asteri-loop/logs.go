package main

import (
	"fmt"
	"log"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/internal/observe/syslog"
	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/status"
)

// logs are the server's log, and what is known of the terminal. The server itself has the
// access log.
type logs struct {
	*slog.Logger
	// recent keeps the last records, for the status page.
	recent *status.Log
	// terminal says that the log is read on a terminal, in color if color
	// is set too.
	terminal, color bool

	level  slog.LevelVar
	output *logging.Output
	syslog *logging.Output // the same for a syslog daemon; nil without one
}

// flushTimeout is how long the end of the server waits for each log.
const flushTimeout = 2 * time.Second

func openLogs(cfg *config.Config) (*logs, error) {
	file, err := logging.Open(cfg.ErrorLogfile, os.Stderr)
	if err != nil {
		return nil, fmt.Errorf("error log: %w", err)
	}
	l := &logs{output: logging.NewOutput(file), recent: status.NewLog()}
	if cfg.ErrorLogfile == "-" {
		l.terminal, l.color = logging.IsTerminal(os.Stderr), logging.Color(os.Stderr, os.Getenv)
	}
	l.setLevel(cfg)
	if cfg.LogSyslog {
		l.syslog = logging.NewOutput(syslogWriter(cfg, "error", -1))
	}
	l.Logger = slog.New(l.handler(cfg))
	// What net/http and others can only tell the standard logger.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(l.Handler(), slog.LevelWarn).Writer())
	return l, nil
}

// handler takes the records of the log, wherever they go.
func (l *logs) handler(cfg *config.Config) slog.Handler {
	o := logging.Options{Level: slog.Level(math.MinInt), Color: l.color, PID: os.Getpid()}
	var h slog.Handler = logging.New(l.output, o)
	if cfg.LogFormat == "json" {
		h = logging.NewJSON(l.output, o)
	}
	if l.syslog != nil {
		o.Syslog, o.Color = true, false
		h = slog.NewMultiHandler(h, logging.New(l.syslog, o))
	}
	h = l.recent.Handler(h, logging.PIDKey)
	return logging.WithLevels(h, &l.level, loggerLevels(cfg))
}

func loggerLevels(cfg *config.Config) map[string]slog.Level {
	levels := make(map[string]slog.Level, len(cfg.LoggerLevels))
	for _, s := range cfg.LoggerLevels {
		name, level, _ := strings.Cut(s, "=") // Load has checked it
		if least, err := logging.Level(level); err == nil {
			levels[name] = least
		}
	}
	return levels
}

// setLevel takes over a level that Load has checked.
func (l *logs) setLevel(cfg *config.Config) {
	if level, err := logging.Level(cfg.LogLevel); err == nil {
		l.level.Set(level)
	}
}

// lost is what could not be written.
func (l *logs) lost() map[string]uint64 {
	lost := map[string]uint64{"error": l.output.Lost()}
	if l.syslog != nil {
		lost["syslog"] = l.syslog.Lost()
	}
	return lost
}

// reopen goes on in the file under the name that the settings have now. What goes to
// syslog stays with its daemon: those settings need a restart.
func (l *logs) reopen(cfg *config.Config) error {
	file, err := logging.Open(cfg.ErrorLogfile, os.Stderr)
	if err != nil {
		return fmt.Errorf("error log: %w", err)
	}
	l.setLevel(cfg)
	return l.output.Replace(file)
}

// print writes text for a person, in its place between what is logged.
func (l *logs) print(text string) { _, _ = l.output.Write([]byte(text)) } // has no error

// close ends the logs, so that nothing that was logged is lost.
func (l *logs) close() {
	l.output.Close(flushTimeout)
	if l.syslog != nil {
		l.syslog.Close(flushTimeout)
	}
}

// accessPath resolves the words that the setting of the access log may hold; empty is no
// log.
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

// syslogWriter sends what one of the logs says to the daemon of the settings, which
// Load has checked.
func syslogWriter(cfg *config.Config, log string, severity int) *syslog.Writer {
	address, err := syslog.ParseAddress(cfg.LogSyslogTo)
	if err != nil {
		panic(err)
	}
	facility, err := syslog.ParseFacility(cfg.LogSyslogFacility)
	if err != nil {
		panic(err)
	}
	return syslog.New(syslog.Options{
		Address: address, Facility: facility, Tag: syslog.Tag("asteri-loop", cfg.LogSyslogPrefix, log),
		PID: os.Getpid(), Severity: severity,
	})
}
