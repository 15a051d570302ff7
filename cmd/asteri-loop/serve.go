package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/activation"
	"github.com/asteri/asteri-loop/internal/system/handover"
	"github.com/asteri/asteri-loop/internal/system/lockfile"
	"github.com/asteri/asteri-loop/internal/system/privilege"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/websocket"
)

// program is one run of it.
type program struct {
	input config.Input
	cfg   *config.Config                // as at the start
	live  atomic.Pointer[config.Config] // as of the last reload
	logs  *logs

	server  *server.Server    // nil until it is there
	sockets *websocket.Server // of the demonstration; nil before
	signals *signals
	reloads reloads
	hooks   hooks

	before    *handover.Predecessor // the process in whose place this one comes; nil without
	inherited *server.Inheritance   // what that has given
	upgrades  upgrades

	token     string     // of the status page
	ownToken  bool       // the operator has not chosen it
	tokenFile *tokenFile // nil if there is none

	daemon  *daemon            // nil at a terminal
	user    *privilege.User    // to become; nil to stay who it is
	pidFile *lockfile.File     // nil without
	passed  activation.Sockets // of the service manager
	// listening are the addresses that it has opened some of, as the server knows them; nil
	// if it has opened none.
	listening []string

	abandoned bool // the start hangs: nothing of it can be closed
}

// serve runs the server, or checks its settings, and returns the exit status.
func serve(input config.Input, cfg *config.Config, d *daemon, before *handover.Predecessor) int {
	refuse := func(status int, err error) int {
		before.Failed(err.Error())
		return complain(status, err)
	}
	if err := enter(cfg); err != nil {
		return refuse(exitUsage, err)
	}
	user, err := futureUser(cfg)
	if err != nil {
		return refuse(exitUsage, err)
	}
	sockets, err := activation.Take()
	if err != nil {
		return refuse(exitUsage, err)
	}
	defer sockets.Close()
	l, err := openLogs(cfg)
	if err != nil {
		if server.Lacking(err) {
			return refuse(exitFailure, err)
		}
		return refuse(exitUsage, err)
	}
	defer l.close()
	p := &program{
		input: input, cfg: cfg, logs: l, signals: newSignals(), token: cfg.Server.Status.Token,
		daemon: d, user: user, passed: sockets, before: before,
	}
	p.live.Store(cfg)
	for _, w := range cfg.Warnings {
		l.Warn(w)
	}
	if cfg.CheckConfig {
		return p.check()
	}
	p.warnOfRoot()
	return p.run()
}

// run starts the server, serves until it is told to stop, and returns the exit
// status.
func (p *program) run() int {
	p.signals.watch()
	reapOrphans()
	p.announceStart()
	if err := p.inherit(); err != nil {
		return p.fail(exitFailure, "The server cannot take over", err)
	}
	if err := p.keepPID(); err != nil {
		return p.fail(exitFailure, "The server cannot start", err)
	}
	defer func() { p.pidFile.Remove() }()
	p.makeToken()
	defer func() { p.tokenFile.remove() }()
	p.takeHooks(p.cfg)
	status := p.serve()
	if p.server != nil && !p.abandoned {
		_ = p.server.Close() // what still runs, at once
	}
	if !p.abandoned {
		p.exitHooks()
	}
	if status == exitOK {
		p.logs.Info("Stopped")
	}
	return status
}

func (p *program) serve() int {
	defer p.before.Close()
	if over, status := p.step(func() error { p.hooks.call("on_starting"); return p.bind() }); over {
		return status
	}
	p.keepToken()
	if over, status := p.step(p.server.Start); over {
		return status
	}
	p.logs.Logger = p.server.Logger() // what is logged from now on counts
	if stop, err := p.await(p.server.Ready); stop {
		return exitOK
	} else if err != nil {
		return p.fail(exitBoot, "The application cannot be started", err)
	}
	if stop, err := p.await(p.takeOver); stop {
		return exitOK
	} else if err != nil {
		return p.fail(exitFailure, "The server cannot take over", err)
	}
	p.announceReady()
	if stop, _ := p.await(func(context.Context) error { p.hooks.call("when_ready"); return nil }); stop {
		return exitOK
	}
	if err := p.daemon.leave(); err != nil {
		return p.fail(exitFailure, "The terminal cannot be left", err)
	}
	p.tellReady("")
	stopTelling := p.keepAlive()
	defer stopTelling()
	p.control()
	return exitOK
}

// step runs one of the start, and tells whether it was the last one, with which exit status.
func (p *program) step(do func() error) (over bool, status int) {
	switch stop, err := p.await(func(context.Context) error { return do() }); {
	case stop:
		return true, exitOK
	case err != nil:
		return true, p.fail(exitStatus(err), "The server cannot start", err)
	}
	return false, exitOK
}

// bind makes the server, opens its ports, and becomes who it is to be.
func (p *program) bind() error {
	c, err := p.settings(p.cfg)
	if err != nil {
		return err
	}
	if err := p.takeSockets(&c.Listen, p.cfg); err != nil {
		return err
	}
	if p.server, err = server.New(c); err != nil {
		return err
	}
	if err := p.server.Bind(); err != nil {
		return err
	}
	p.passed.Close()
	return p.becomeUser()
}

// await runs a step of the start, and gives it up for a signal to stop: a file on a server
// that is gone, a name that is not found or an application may take for ever.
func (p *program) await(step func(ctx context.Context) error) (stop bool, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- step(ctx) }()
	var late <-chan time.Time
	for {
		select {
		case err := <-done:
			return stop, err
		case <-late:
			p.abandoned = true
			return true, nil
		case sig := <-p.signals.c:
			if stops(sig) && !stop {
				p.logs.Info("Stopping: " + signalName(sig))
				stop, late = true, time.After(stepTimeout)
				cancel()
			}
		}
	}
}

// stepTimeout is what a step that is to be given up has for its end.
const stepTimeout = time.Second

// check is --check-config.
func (p *program) check() int {
	c, err := p.settings(p.cfg)
	if err == nil {
		c.Listen.Addresses = withoutPassed(c.Listen.Addresses)
		p.server, err = server.New(c)
	}
	if err == nil {
		defer p.server.Close()
		err = p.server.Check(context.Background())
	}
	switch {
	case err == nil:
	case errors.As(err, new(*server.ConfigError)):
		return p.fail(exitUsage, "The settings do not work", err)
	case p.server == nil:
		return p.fail(exitFailure, "The settings do not work", err)
	default:
		return p.fail(exitBoot, "The application cannot be started", err)
	}
	if p.servesDemonstration() {
		p.logs.Info("The settings are good; there is no application to import, so the demonstration would be served")
	}
	return exitOK
}

// fail logs why the program ends.
func (p *program) fail(status int, what string, err error) int {
	p.logs.Log(context.Background(), logging.LevelCritical, what+": "+reason(err))
	p.before.Failed(what + ": " + reason(err))
	return status
}

// reason is what is wrong, by the setting where that is not clear from the rest.
func reason(err error) string {
	var wrong *server.ConfigError
	switch {
	case !errors.As(err, &wrong):
		return err.Error()
	case wrong.Field == "Status.Listen":
		return "--admin-listen: " + wrong.Err.Error()
	}
	return wrong.Err.Error()
}

// exitStatus is that of a server that could not start because of err.
func exitStatus(err error) int {
	if errors.As(err, new(*server.ConfigError)) {
		return exitUsage
	}
	return exitFailure
}
