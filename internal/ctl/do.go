package ctl

import (
	"context"
	"errors"
	"time"

	"github.com/asteri/asteri-loop/status"
)

// errEnding is the answer to who asks, or waits, when the server ends.
var errEnding = &Error{Refused, "the server is ending"}

// do does what a request asks for, and returns its result.
func (s *Server) do(r *Request, who peer) (any, error) {
	switch r.Command {
	case "status":
		return s.opts.Document(), nil
	case "workers":
		return Staff{s.opts.Document().Workers}, nil
	case "requests":
		doc := s.opts.Document()
		return Flights{doc.InFlight, doc.Requests}, nil
	case "stacks":
		return s.stacks(r.PID), nil
	}
	if r.Command != "log-level" || r.Level != "" {
		s.opts.Logger.Info("Asked for at the control socket", "action", r.Command, "uid", who.uid, "client", who.pid)
	}
	result, err := s.act(r)
	if err != nil && !errors.As(err, new(*Error)) {
		return nil, &Error{Refused, oneLine(err)}
	}
	return result, err
}

// act does what changes something. Its result is never nil.
func (s *Server) act(r *Request) (any, error) {
	c := s.opts.Control
	switch r.Command {
	case "reload":
		return struct{}{}, s.reload(r.App)
	case "scale":
		return scaled(c.Resize(r.App, *r.Workers))
	case "add-worker":
		return scaled(c.Scale(r.App, 1))
	case "remove-worker":
		return scaled(c.Scale(r.App, -1))
	case "restart-worker":
		return struct{}{}, c.Restart(*r.PID)
	case "kill-worker":
		return struct{}{}, c.Kill(*r.PID)
	case "upgrade":
		return s.upgrade()
	case "drain", "stop":
		return struct{}{}, c.Stop(r.Command == "drain")
	case "log-level":
		level, err := c.LogLevel(r.Level)
		return Level{level}, err
	}
	return nil, unknown(r.Command)
}

func scaled(now []status.Staffing, err error) (any, error) { return Scaled{now}, err }

// reload waits for the end of a reload, within a bound.
func (s *Server) reload(app string) error {
	if !s.wait() {
		return errWaiting
	}
	defer s.waited()
	late := time.NewTimer(actionTimeout)
	defer late.Stop()
	select {
	case err := <-s.opts.Control.Reload(app):
		var unknown *status.AppError
		switch {
		case err == nil || errors.As(err, &unknown):
			return err
		case errors.Is(err, context.Canceled):
			return errEnding
		}
		return &Error{Failed, oneLine(err)}
	case <-s.ctx.Done():
		return errEnding
	case <-late.C:
		return &Error{TimedOut, "the reload goes on: the log will tell how it ends"}
	}
}

// errWaiting is the answer where waiting would take all: the others are for who wants it
// stopped.
var errWaiting = &Error{Busy, "too many clients wait for a reload or an upgrade: try again"}

func (s *Server) wait() bool {
	select {
	case s.waiting <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *Server) waited() { <-s.waiting }

// upgrade waits for the end of an upgrade, which has bounds of its own.
func (s *Server) upgrade() (any, error) {
	if !s.wait() {
		return nil, errWaiting
	}
	defer s.waited()
	pid, err := s.opts.Control.Upgrade(s.ctx)
	if err != nil {
		return nil, &Error{Failed, oneLine(err)}
	}
	return Upgraded{pid}, nil
}

// stacks are those of a process, or of all workers one after the other, each within a few
// seconds.
func (s *Server) stacks(pid *int) Stacks {
	all := []int{}
	if pid != nil {
		all = append(all, *pid)
	} else {
		for _, w := range s.opts.Document().Workers {
			if w.PID > 0 {
				all = append(all, w.PID)
			}
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, stacksTimeout)
	defer cancel()
	stacks := make([]Stack, len(all))
	for i, pid := range all {
		stacks[i].PID = pid
		text, err := s.opts.Stack(ctx, pid)
		if stacks[i].Text = text; err != nil {
			stacks[i].Error = oneLine(err)
		}
	}
	return Stacks{stacks}
}

// stacksTimeout bounds the time for all of them: a worker that hangs takes five seconds.
const stacksTimeout = 30 * time.Second
