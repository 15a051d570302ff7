package server

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Reload takes over what cfg has that can change while the server runs: certificates and
// the rest of TLS, the access log, and the applications, whose code is loaded again. Which
// mounts there are, and of which kind, stays; everything else needs a restart. What does
// not work stays as it was: the error, and the log, say what that is. A Handler that is an
// Application is closed once another has taken its place.
func (s *Server) Reload(ctx context.Context, cfg Config) error {
	if s.engine == nil {
		return ErrNotStarted
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	next, err := s.checked(cfg)
	if err != nil {
		return err
	}
	var failed []error
	if s.tls != nil {
		if err := s.tls.Load(s.tlsOptions(&next.TLS)); err != nil {
			s.log.Error("The certificates stay as they were: " + err.Error())
			failed = append(failed, blame("TLS", err))
		}
		s.warnOfCertificates()
	}
	s.live.Store(next)
	select {
	case <-s.ReopenLogs():
	case <-time.After(flushTimeout): // a log that is stuck must not keep the rest
		s.log.Warn("A log takes nothing now; the logs are opened again once it does")
	}
	return errors.Join(append(failed, s.reloadApplications(ctx, next, ""))...)
}

// ReloadApplication takes over the settings that one application has in cfg, and loads its
// code again; the others, and all else, are left alone. app is the host and path of its
// mount, "/" for the one at no mount, or what is served there, if that is there once: a
// *status.AppError says which there are.
func (s *Server) ReloadApplication(ctx context.Context, cfg Config, app string) error {
	if s.engine == nil {
		return ErrNotStarted
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	next, err := s.checked(cfg)
	if err != nil {
		return err
	}
	return s.reloadApplications(ctx, next, app)
}

// checked completes settings to be reloaded, or says in the log what is wrong with them.
func (s *Server) checked(cfg Config) (*Config, error) {
	next := cfg.withDefaults()
	if err := next.check(); err != nil {
		s.log.Error("Not reloaded: " + reason(err))
		return nil, err
	}
	return &next, nil
}

func (s *Server) reloadApplications(ctx context.Context, next *Config, app string) error {
	which, err := s.apps.called(app)
	if err == nil {
		err = s.apps.Reload(ctx, next, which)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // the server stops, and its workers with it
	case err != nil:
		s.log.Error("The application stays as it was: " + err.Error())
	case app != "":
		s.live.Store(s.live.Load().with(next, which))
		s.log.Info("Reloaded", "app", app)
	default:
		s.log.Info("Reloaded")
	}
	return err
}

// with returns c with the settings that some applications have in next.
func (c *Config) with(next *Config, which []site) *Config {
	all := *c
	all.Mounts = slices.Clone(c.Mounts)
	for _, a := range which {
		if a.at == "" {
			all.App = next.App
			continue
		}
		is := func(m Mount) bool { return m.At() == a.at }
		if i, j := slices.IndexFunc(all.Mounts, is), slices.IndexFunc(next.Mounts, is); i >= 0 && j >= 0 {
			all.Mounts[i] = next.Mounts[j]
		}
	}
	return &all
}

// Check imports the Python applications as workers would, and opens the access log, so
// that what would keep the server from starting is known without starting it. It also says
// in the log which certificates end.
func (s *Server) Check(ctx context.Context) error {
	s.warnOfCertificates()
	o, err := s.cfg.Logs.Access.open(s.cfg.software())
	if err != nil {
		return err
	}
	if o.out != nil {
		_ = o.out.Close() // nothing was written to it
	}
	for i := range s.cfg.Mounts {
		if m := &s.cfg.Mounts[i]; m.Python != nil {
			if err := s.checkPython(ctx, m); err != nil {
				return named(m.At(), err)
			}
		}
	}
	if s.cfg.App.Python == nil {
		return nil
	}
	return s.checkPython(ctx, &Mount{App: s.cfg.App, WholePath: true})
}
