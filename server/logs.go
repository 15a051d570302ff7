package server

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/accesslog"
	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/status"
)

// Logs says where to log what.
type Logs struct {
	// Logger takes what an operator should know. Default slog.Default().
	Logger *slog.Logger
	// Recent is the log that the status page shows, for who has put its Handler in front
	// of Logger's already. Default: one of what the server itself logs.
	Recent *status.Log
	// Level, if not nil, is Logger's least level, which an operator may then change.
	Level *slog.LevelVar
	// Access says how requests are logged.
	Access AccessLog
	// Reopen, if not nil, opens further logs again when the server opens its own.
	Reopen func() error
	// Lost, if not nil, returns how many lines further logs have lost, for metrics.
	Lost func() map[string]uint64
}

// AccessLog is the log of requests.
type AccessLog struct {
	// Path is a file, or "-" for standard output. Default: no log. A reload, and
	// ReopenLogs, open it again.
	Path string
	// Format is "combined", "common", "json", or a line in gunicorn's notation. Default
	// combined and the request's id.
	Format string
	// Further gets the lines too, without color. The server closes it.
	Further io.WriteCloser
}

// accessFormat is the default of AccessLog.Format.
const accessFormat = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({request_id}x)s`

func (l Logs) withDefaults() Logs {
	if l.Logger == nil {
		l.Logger = slog.Default()
	}
	l.Access.Format = cmp.Or(l.Access.Format, accessFormat)
	return l
}

// flushTimeout is how long the end of the server waits for each log.
const flushTimeout = 2 * time.Second

// accessLogs are the logs of requests.
type accessLogs struct {
	software string
	main     *accesslog.Log
	further  *accesslog.Log // nil without one
	// observing says that requests are logged to main at all, which is decided at the
	// start: a protocol without an observer has less to do.
	observing bool
}

// accessOutput is where requests are logged, and in which formats.
type accessOutput struct {
	out           io.WriteCloser    // nil for none
	format, plain *accesslog.Format // for out, and for others; never nil
}

func (a *AccessLog) compile(software string, color bool) (*accesslog.Format, error) {
	f, err := accesslog.Compile(a.Format, accesslog.Options{Color: color, PID: os.Getpid(), Software: software})
	if err != nil {
		return nil, &ConfigError{"Logs.Access.Format", err}
	}
	return f, nil
}

func (a *AccessLog) open(software string) (o accessOutput, err error) {
	if o.format, err = a.compile(software, a.Path == "-" && logging.Color(os.Stdout, os.Getenv)); err != nil {
		return o, err
	}
	if o.plain, err = a.compile(software, false); err != nil || a.Path == "" {
		return o, err
	}
	if o.out, err = logging.Open(a.Path, os.Stdout); err != nil {
		return o, blame("Logs.Access.Path", fmt.Errorf("access log: %w", err))
	}
	return o, nil
}

// openAccess begins the logs of requests.
func (s *Server) openAccess() error {
	a := s.cfg.Logs.Access
	o, err := a.open(s.cfg.software())
	if err != nil {
		return err
	}
	s.access = &accessLogs{software: s.cfg.software(), main: accesslog.New(o.out, o.format, s.log), observing: o.out != nil}
	if a.Further != nil {
		s.access.further = accesslog.New(a.Further, o.plain, s.log)
	}
	return nil
}

// all are the logs that there are.
func (l *accessLogs) all() []*accesslog.Log {
	if l.further == nil {
		return []*accesslog.Log{l.main}
	}
	return []*accesslog.Log{l.main, l.further}
}

// observers are those that have something to do.
func (l *accessLogs) observers() (all []asteri.Observer) {
	if l.observing {
		all = append(all, l.main)
	}
	if l.further != nil {
		all = append(all, l.further)
	}
	return all
}

func (l *accessLogs) close() {
	if l == nil {
		return
	}
	for _, a := range l.all() {
		a.Close(flushTimeout)
	}
}

// ReopenLogs goes on in log files under the names that the settings have by now, so that
// they can be rotated, and says so in the log. It runs beside its caller, one at a time,
// and closes done at its end: it waits for what was logged before, which may take for ever
// if an output takes nothing.
func (s *Server) ReopenLogs() (done <-chan struct{}) {
	reopened := make(chan struct{})
	go func() {
		defer close(reopened)
		s.reopening.Lock()
		defer s.reopening.Unlock()
		if err := s.reopenLogs(); err != nil {
			s.log.Error("The logs stay as they were: " + reason(err))
			return
		}
		s.log.Info("The logs are open again")
	}()
	return reopened
}

// reopenLogs leaves what cannot be opened as it is.
func (s *Server) reopenLogs() error {
	if s.access == nil {
		return ErrNotStarted
	}
	o, err := s.live.Load().Logs.Access.open(s.access.software)
	if err != nil {
		return err
	}
	if again := s.cfg.Logs.Reopen; again != nil {
		if err := again(); err != nil {
			if o.out != nil {
				_ = o.out.Close() // nothing was written to it
			}
			return err
		}
	}
	s.access.main.Replace(o.format, o.out)
	if s.access.further != nil {
		s.access.further.SetFormat(o.plain)
	}
	if o.out != nil && !s.access.observing {
		s.log.Warn("An access log where there was none at the start needs a restart")
	}
	return nil
}
