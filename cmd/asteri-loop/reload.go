package main

import (
	"context"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/config"
)

// reload reads the settings, the certificates and the application's code again.
// Each that does not work stays as it was.
func (s *server) reload(ctx context.Context) {
	s.logs.Info("Reloading: HUP")
	next, err := config.Load(s.input)
	if err != nil {
		s.logs.Error("Not reloaded, the settings stay as they were: " + err.Error())
		return
	}
	for _, w := range next.Warnings {
		s.logs.Warn(w)
	}
	if names := s.cfg.Restart(next); len(names) > 0 {
		s.logs.Warn("Changes of these settings need a restart: " + strings.Join(names, ", "))
	}
	if (s.cfg.App == "") != (next.App == "") || (len(s.cfg.Mounts) == 0) != (len(next.Mounts) == 0) {
		s.logs.Error("Not reloaded: one application cannot give way to several, nor the demonstration to one, nor come back, without a restart")
		return
	}
	if s.tls != nil {
		if err := s.tls.Load(s.tlsOptions(next)); err != nil {
			s.logs.Error("The certificates stay as they were: " + err.Error())
		}
		s.warnOfCertificates()
	}
	s.live.Store(next)
	select {
	case <-s.reopenLogs():
	case <-time.After(flushTimeout): // a log that is stuck must not keep the rest
		s.logs.Warn("A log takes nothing now; the logs are opened again once it does")
	}
	if err := s.app.Reload(ctx, next); ctx.Err() != nil {
		return // the server stops, and its workers with it
	} else if err != nil {
		s.logs.Error("The application stays as it was: " + err.Error())
		return
	}
	s.logs.Info("Reloaded")
}
