package main

import (
	"fmt"
	"log"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/accesslog"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
	"github.com/asteri/asteri-loop/internal/syslog"
	"github.com/asteri/asteri-loop/status"
)

// logs are the server's log and its access log.
type logs struct {
	*slog.Logger
	// recent keeps the last records, for the status page.
	recent *status.Log
	// terminal says that the log is read on a terminal, in color if color
	// is set too.
	terminal, color bool

	level  slog.LevelVar
	output *logging.Output
	access *accesslog.Log
	// observing says that requests are logged at all, which is decided at
	// the start: a protocol without an observer has less to do.
	observing bool
	// The same for a syslog daemon; nil without one.
	syslog       *logging.Output
	syslogAccess *accesslog.Log
}

// flushTimeout is how long the end of the server waits for each log.
const flushTimeout = 2 * time.Second

func openLogs(cfg *config.Config) (*logs, error) {
	file, err := logging.Open(cfg.ErrorLogfile, os.Stderr)
	if err != nil {
		return nil, blameSettings(fmt.Errorf("error log: %w", err))
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
	access, err := openAccess(cfg)
	if err != nil {
		l.close()
		return nil, blameSettings(err)
	}
	l.access, l.observing = accesslog.New(access.out, access.format, l.Logger), access.out != nil
	if cfg.LogSyslog && !cfg.DisableRedirectAccessToSyslog {
		l.syslogAccess = accesslog.New(syslogWriter(cfg, "access", syslog.Info), access.plain, l.Logger)
	}
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

// observers are the access logs that there are.
func (l *logs) observers() []asteri.Observer {
	var all []asteri.Observer
	if l.observing {
		all = append(all, l.access)
	}
	if l.syslogAccess != nil {
		all = append(all, l.syslogAccess)
	}
	return all
}

// setHomes tells the access logs what the homes of exchanges will mostly be.
func (l *logs) setHomes(homes []asteri.Executor) {
	for _, a := range []*accesslog.Log{l.access, l.syslogAccess} {
		if a != nil {
			a.SetHomes(homes)
		}
	}
}

// reopen goes on in the files under the names that the settings have now, so that
// they can be rotated. What cannot be opened stays as it is. What goes to syslog
// stays with its daemon: those settings need a restart, and both logs go together.
func (l *logs) reopen(cfg *config.Config) error {
	file, err := logging.Open(cfg.ErrorLogfile, os.Stderr)
	if err != nil {
		return fmt.Errorf("error log: %w", err)
	}
	access, err := openAccess(cfg)
	if err != nil {
		_ = file.Close() // nothing was written to it
		return err
	}
	l.setLevel(cfg)
	l.access.Replace(access.format, access.out)
	if l.syslogAccess != nil {
		l.syslogAccess.SetFormat(access.plain)
	}
	if access.out != nil && !l.observing {
		l.Warn("An access log where there was none at the start needs a restart")
	}
	return l.output.Replace(file)
}

// print writes text for a person, in its place between what is logged.
func (l *logs) print(text string) { _, _ = l.output.Write([]byte(text)) } // has no error

// close ends the logs, so that nothing that was logged is lost: the access logs
// first, which may have to tell of losses.
func (l *logs) close() {
	for _, a := range []*accesslog.Log{l.access, l.syslogAccess} {
		if a != nil {
			a.Close(flushTimeout)
		}
	}
	l.output.Close(flushTimeout)
	if l.syslog != nil {
		l.syslog.Close(flushTimeout)
	}
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
