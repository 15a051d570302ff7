package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/notify"
)

// reloads runs one reload at a time. Those who ask while one runs share the next one of the
// same application, since what has changed may have come too late for the present one.
type reloads struct {
	mu      sync.Mutex
	do      func(app string) error // nil before the server is ready and when it stops
	running bool
	next    []*reloadRun // one for each application that was asked for, "" for all
}

// reloadRun is a reload, and who waits for its end: channels with room for it.
type reloadRun struct {
	app     string
	waiting []chan<- error
}

var errNotNow = errors.New("the server is starting or stopping: there is nothing to reload")

// ask begins a reload, and returns a channel by which its end comes, perhaps never if the
// server stops.
func (r *reloads) ask(app string) <-chan error {
	outcome := make(chan error, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.do == nil {
		outcome <- errNotNow
		return outcome
	}
	for _, run := range r.next {
		if run.app == app {
			run.waiting = append(run.waiting, outcome)
			return outcome
		}
	}
	r.next = append(r.next, &reloadRun{app, []chan<- error{outcome}})
	if !r.running {
		r.running = true
		go r.run()
	}
	return outcome
}

// run runs reloads until there are none.
func (r *reloads) run() {
	for {
		r.mu.Lock()
		if r.do == nil || len(r.next) == 0 {
			r.running = false
			r.mu.Unlock()
			return
		}
		run, do := r.next[0], r.do
		r.next = r.next[1:]
		r.mu.Unlock()
		err := do(run.app)
		for _, c := range run.waiting {
			c <- err
		}
	}
}

// begin lets reloads be asked for, and end no more.
func (r *reloads) begin(do func(app string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.do = do
}

// end has those refused that wait for their turn.
func (r *reloads) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range r.next {
		for _, c := range run.waiting {
			c <- errNotNow
		}
	}
	r.do, r.next = nil, nil
}

// reload is one that the service manager is told of.
func (p *program) reload(ctx context.Context, app string) error {
	p.tell(append(notify.Reloading(), notify.Status("Reloading"))...)
	err := p.renew(ctx, app)
	switch {
	case ctx.Err() != nil: // the server stops, which was told
	case err != nil:
		p.tellReady("A reload has failed, the log says why. ")
	default:
		p.tellReady("")
	}
	return err
}

// renew reads the settings, the certificates and the code of applications again, or those
// of one application. Each that does not work stays as it was.
func (p *program) renew(ctx context.Context, app string) error {
	next, err := p.nextSettings()
	if err != nil {
		p.logs.Error("Not reloaded, the settings stay as they were: " + err.Error())
		return err
	}
	c, err := p.settings(next)
	if err != nil || app != "" {
		defer next.Conf.Close() // the hooks of the server stay as they are
	}
	if err != nil {
		p.logs.Error("The application stays as it was: " + err.Error())
		return err
	}
	if app != "" {
		return p.server.ReloadApplication(ctx, c, app) // which logs what fails
	}
	p.live.Store(next)
	p.takeHooks(next)
	p.hooks.call("on_reload")
	return p.server.Reload(ctx, c)
}

// nextSettings reads the settings, and says which of them need a restart.
func (p *program) nextSettings() (*config.Config, error) {
	next, err := config.Load(p.input)
	if err != nil {
		return nil, err
	}
	for _, w := range next.Warnings {
		p.logs.Warn(w)
	}
	if names := p.cfg.Restart(next); len(names) > 0 {
		p.logs.Warn("Changes of these settings need a restart: " + strings.Join(names, ", "))
	}
	if (p.cfg.App == "") != (next.App == "") || (len(p.cfg.Mounts) == 0) != (len(next.Mounts) == 0) {
		next.Conf.Close()
		return nil, errors.New("one application cannot give way to several, nor the demonstration to one, nor come back, without a restart")
	}
	return next, nil
}
