package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/mount"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
)

// sites are several applications, at hosts and paths of their own.
type sites struct {
	asteri.Handler
	list []site
}

// site is an application and where it is: empty for what is at no mount.
type site struct {
	application
	at  string
	url bool
}

// newSites starts all applications of cfg. If one cannot be started, none is.
func newSites(eng *loop.Engine, cfg *config.Config, l *logs) (_ application, err error) {
	s := new(sites)
	defer func() {
		if err != nil {
			s.Kill()
		}
	}()
	var routes []mount.Route
	for _, m := range cfg.Mounts {
		app, err := newSite(eng, cfg, m, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.At(), err)
		}
		s.list = append(s.list, site{app, m.At(), m.IsURL()})
		routes = append(routes, mount.Route{Host: m.Host, Prefix: m.Prefix, Handler: named(app, m.At())})
	}
	var rest asteri.Handler
	if cfg.App != "" {
		app, err := newPythonApp(eng, cfg, "", l)
		if err != nil {
			return nil, err
		}
		s.list = slices.Insert(s.list, 0, site{application: app})
		rest = app
	}
	s.Handler = mount.Handler(routes, rest)
	return s, nil
}

func newSite(eng *loop.Engine, cfg *config.Config, m config.Mount, l *logs) (application, error) {
	own, err := cfg.Mounted(m)
	if err != nil {
		return nil, err
	}
	if m.IsURL() {
		return newProxied(own, m, l)
	}
	return newPythonApp(eng, own, m.At(), l)
}

// each calls do for all applications at once, and joins their errors.
func (s *sites) each(do func(a *site) error) error {
	failed := make([]error, len(s.list))
	var all sync.WaitGroup
	for i := range s.list {
		all.Go(func() { failed[i] = s.list[i].named(do(&s.list[i])) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// named says in an error which application it is about.
func (a *site) named(err error) error {
	if err == nil || a.at == "" {
		return err
	}
	return fmt.Errorf("%s: %w", a.at, err)
}

// Ready waits for all applications, or for the first that fails.
func (s *sites) Ready(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan error, len(s.list))
	for i := range s.list {
		a := &s.list[i]
		go func() { outcomes <- a.named(a.Ready(ctx)) }()
	}
	for range s.list {
		if err := <-outcomes; err != nil {
			return err
		}
	}
	return nil
}

// Health returns the reason of the first that cannot answer.
func (s *sites) Health() error {
	for i := range s.list {
		if err := s.list[i].Health(); err != nil {
			return s.list[i].named(err)
		}
	}
	return nil
}

// Describe describes all.
func (s *sites) Describe() []description {
	var all []description
	for _, a := range s.list {
		for _, d := range a.application.Describe() {
			d.At = a.at
			all = append(all, d)
		}
	}
	return all
}

// Report lists the workers of all, and adds up their queues.
func (s *sites) Report(r *status.Report) {
	total := status.Queue{}
	for _, a := range s.list {
		var own status.Report
		a.application.Report(&own)
		for _, w := range own.Workers {
			w.At = a.at
			r.Workers = append(r.Workers, w)
		}
		for _, m := range own.Memory {
			m.At = a.at
			r.Memory = append(r.Memory, m)
		}
		if own.Queue != nil {
			total.Waiting += own.Queue.Waiting
			total.Capacity += own.Queue.Capacity
			r.Queue = &total
		}
	}
}

// Reload reloads each with its settings in next. Which there are stays.
func (s *sites) Reload(ctx context.Context, next *config.Config) error {
	if !s.same(next) {
		return errors.New("mounts that come, go or change between applications and servers need a restart")
	}
	return s.each(func(a *site) error {
		if a.at == "" {
			return a.Reload(ctx, next)
		}
		own, err := next.Mounted(next.Mounts[s.find(next, a.at)])
		if err != nil {
			return err
		}
		return a.Reload(ctx, own)
	})
}

// same tells whether next has the same sites.
func (s *sites) same(next *config.Config) bool {
	count := len(next.Mounts)
	if next.App != "" {
		count++
	}
	return count == len(s.list) && !slices.ContainsFunc(s.list, func(a site) bool {
		i := s.find(next, a.at)
		return a.at == "" && next.App == "" || a.at != "" && (i < 0 || next.Mounts[i].IsURL() != a.url)
	})
}

// find returns the index of the mount at a place, or -1.
func (s *sites) find(cfg *config.Config, at string) int {
	return slices.IndexFunc(cfg.Mounts, func(m config.Mount) bool { return m.At() == at })
}

// Scale adds workers to each application: -w is the number of each, too.
func (s *sites) Scale(delta int) {
	for _, a := range s.list {
		if !a.url {
			a.application.Scale(delta)
		}
	}
}

// Restart replaces a worker of whichever application has it.
func (s *sites) Restart(pid int) error {
	err := python.ErrNoWorker
	for i := 0; i < len(s.list) && errors.Is(err, python.ErrNoWorker); i++ {
		err = s.list[i].Restart(pid)
	}
	return err
}

// Stacks asks the worker of whichever application has it.
func (s *sites) Stacks(ctx context.Context, pid int) (stacks map[string]string, err error) {
	err = python.ErrNoWorker
	for i := 0; i < len(s.list) && errors.Is(err, python.ErrNoWorker); i++ {
		stacks, err = s.list[i].Stacks(ctx, pid)
	}
	return stacks, err
}

// Stop stops all at once.
func (s *sites) Stop(ctx context.Context) {
	_ = s.each(func(a *site) error { a.Stop(ctx); return nil })
}

// Kill ends all.
func (s *sites) Kill() {
	for _, a := range s.list {
		a.application.Kill()
	}
}

// checkSites imports all applications as workers would.
func checkSites(cfg *config.Config, l *logs) error {
	for _, m := range cfg.Mounts {
		own, err := cfg.Mounted(m)
		if err == nil && !m.IsURL() {
			err = checkPython(own, l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.At(), err)
		}
	}
	if cfg.App == "" {
		return nil
	}
	return checkPython(cfg, l)
}
