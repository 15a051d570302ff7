package server

import (
	"context"
	"errors"
	"strings"

	"github.com/asteri/asteri-loop/internal/ctl"
	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/status"
)

// Control says how operators may act, on the status page and by the control socket. A
// program that has settings and a life of its own says how it reloads and stops.
type Control struct {
	// Socket is the path of a Unix socket at which the server takes orders
	// (docs/control.md) from its own user and root. Default: none.
	Socket string
	// Reload begins a reload of everything, or of the application that is named as for
	// ReloadApplication. Its end comes by the channel, which has room for it. Default:
	// the server reloads with the Config that it has, so that certificates and code are
	// new.
	Reload func(app string) (outcome <-chan error)
	// Upgrade has a process of the program as it is now take the place of this one, and
	// returns its process id when it serves. Default: the program has no way to.
	Upgrade func(ctx context.Context) (pid int, err error)
	// Stop begins the end: gracefully, and with drain after Config.DrainDelay. Default:
	// Run returns; who does not use Run has to say how.
	Stop func(drain bool)
}

// openControl opens the control socket, if that is wanted.
func (s *Server) openControl() (err error) {
	path := s.cfg.Control.Socket
	if path == "" {
		return nil
	}
	o := ctl.Options{Control: operator{s}, Document: s.status.Document, Stack: s.status.Stack, Logger: s.log}
	if fds := s.inherited.take(ForControl, path); len(fds) == 1 {
		o.Inherited = fds[0]
	}
	s.control, err = ctl.Listen(path, o)
	return blame("Control.Socket", err)
}

// operator is what operators may do.
type operator struct{ *Server }

// Reload implements status.Control.
func (o operator) Reload(app string) <-chan error {
	if reload := o.cfg.Control.Reload; reload != nil {
		return reload(app)
	}
	outcome := make(chan error, 1)
	go func() {
		if app == "" {
			outcome <- o.Server.Reload(o.ctx, *o.live.Load()) // which logs what fails
		} else {
			outcome <- o.ReloadApplication(o.ctx, *o.live.Load(), app)
		}
	}()
	return outcome
}

// Scale implements status.Control.
func (o operator) Scale(app string, delta int) ([]status.Staffing, error) {
	return o.apps.scale(app, func(as Staff) int { return as.Scale(delta) })
}

// Resize implements status.Control.
func (o operator) Resize(app string, workers int) ([]status.Staffing, error) {
	return o.apps.scale(app, func(as Staff) int { return as.Resize(workers) })
}

// Restart implements status.Control.
func (o operator) Restart(pid int) error {
	return o.apps.of(func(as Staff) error { return as.Restart(pid) })
}

// Kill implements status.Control.
func (o operator) Kill(pid int) error {
	return o.apps.of(func(as Staff) error { return as.KillWorker(pid) })
}

// Stacks implements status.Control.
func (o operator) Stacks(ctx context.Context, pid int) (stacks map[string]string, err error) {
	err = o.apps.of(func(as Staff) error {
		stacks, err = as.Stacks(ctx, pid)
		return err
	})
	return stacks, err
}

// Stop implements status.Control.
func (o operator) Stop(drain bool) error {
	if stop := o.cfg.Control.Stop; stop != nil {
		stop(drain)
		return nil
	}
	select {
	case o.asked <- drain:
	default: // it was asked for before
	}
	return nil
}

var errNoLevel = errors.New("the level of this server's log cannot be changed")

var errNoUpgrade = errors.New("this program cannot have another process take its place")

// Upgrade implements status.Control.
func (o operator) Upgrade(ctx context.Context) (pid int, err error) {
	if upgrade := o.cfg.Control.Upgrade; upgrade != nil {
		return upgrade(ctx)
	}
	return 0, errNoUpgrade
}

// LogLevel implements status.Control.
func (o operator) LogLevel(name string) (string, error) {
	level := o.cfg.Logs.Level
	if level == nil {
		return "", errNoLevel
	}
	if name != "" {
		l, err := logging.Level(strings.ToLower(name))
		if err != nil {
			return "", err
		}
		level.Set(l)
	}
	return logging.LevelName(level.Level()), nil
}
