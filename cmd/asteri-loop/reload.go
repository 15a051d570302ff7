package main

import (
	"context"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/config"
)

// reload reads the settings, the certificates and the application's code again.
// Each that does not work stays as it was.
func (p *program) reload(ctx context.Context) {
	p.logs.Info("Reloading: HUP")
	next, err := config.Load(p.input)
	if err != nil {
		p.logs.Error("Not reloaded, the settings stay as they were: " + err.Error())
		return
	}
	for _, w := range next.Warnings {
		p.logs.Warn(w)
	}
	if names := p.cfg.Restart(next); len(names) > 0 {
		p.logs.Warn("Changes of these settings need a restart: " + strings.Join(names, ", "))
	}
	if (p.cfg.App == "") != (next.App == "") || (len(p.cfg.Mounts) == 0) != (len(next.Mounts) == 0) {
		p.logs.Error("Not reloaded: one application cannot give way to several, nor the demonstration to one, nor come back, without a restart")
		return
	}
	c, err := p.settings(next)
	if err != nil {
		p.logs.Error("The application stays as it was: " + err.Error())
		return
	}
	p.live.Store(next)
	_ = p.server.Reload(ctx, c) // which logs what fails
}
