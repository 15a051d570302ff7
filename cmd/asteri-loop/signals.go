package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/notify"
)

// signals are those that the server gives a meaning, which is gunicorn's.
type signals struct{ c, ignored chan os.Signal }

func newSignals() *signals {
	return &signals{c: make(chan os.Signal, 16), ignored: make(chan os.Signal, 1)}
}

// watch is for the rest of the process: what is logged last must not meet the default
// actions either.
func (s *signals) watch() {
	signal.Notify(s.c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN, syscall.SIGTTOU)
	// A reader of our output that has gone must not take the server with it.
	// Not signal.Ignore, which workers would inherit.
	signal.Notify(s.ignored, syscall.SIGPIPE)
}

// stop is as SIGINT or, to drain, as SIGTERM.
func (s *signals) stop(drain bool) {
	sig := syscall.SIGINT
	if drain {
		sig = syscall.SIGTERM
	}
	select {
	case s.c <- sig:
	default: // so many wait already that one of them stops
	}
}

// stops tells whether sig ends the server.
func stops(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

func signalName(sig os.Signal) string {
	if n, ok := sig.(syscall.Signal); ok {
		return strings.TrimPrefix(unix.SignalName(n), "SIG")
	}
	return sig.String()
}

// control acts on signals until the server is to end. A reload runs beside it, so that a
// stop need not wait for workers that do not start.
func (p *program) control() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.reloads.begin(func(app string) error { return p.reload(ctx, app) })
	p.upgrades.begin()
	for {
		select {
		case next := <-p.upgrades.success:
			p.reloads.end()
			cancel()
			p.retire(next)
			return
		case sig := <-p.signals.c:
			switch {
			case stops(sig):
				p.reloads.end()
				cancel()
				next := p.upgrades.end()
				p.shutdown(sig)
				if next != nil {
					next.Release()
				}
				return
			case sig == syscall.SIGHUP:
				p.logs.Info("Reloading: HUP")
				p.reloads.ask("")
			case sig == syscall.SIGUSR2:
				go func() { _, _ = p.upgrade(ctx) }() // which logs its outcome
			default:
				p.adjust(sig)
			}
		}
	}
}

// adjust acts on the signals that take no time.
func (p *program) adjust(sig os.Signal) {
	switch sig {
	case syscall.SIGTTIN:
		p.scale(1)
	case syscall.SIGTTOU:
		p.scale(-1)
	case syscall.SIGUSR1:
		p.server.ReopenLogs()
	case syscall.SIGUSR2: // which would otherwise end the server
		p.logs.Warn("Not upgraded: the server is stopping")
	}
}

func (p *program) scale(delta int) {
	if p.servesDemonstration() {
		p.logs.Info("The demonstration has no worker processes")
		return
	}
	p.server.Scale(delta)
}

// shutdown stops the server: gracefully for TERM and INT, for TERM after --drain-delay, at
// once for QUIT, and at once for whichever comes second; during the delay the second one
// ends that. INT is Ctrl-C, which is how most developers stop a server: their
// application's shutdown (lifespan, atexit) is to run as it will in production.
func (p *program) shutdown(sig os.Signal) {
	p.tell(notify.Stopping, notify.Status("Stopping: "+signalName(sig)))
	if sig == syscall.SIGQUIT {
		p.logs.Info("Stopping: " + signalName(sig))
		return
	}
	if delay := p.cfg.Server.DrainDelay; sig == syscall.SIGTERM && delay > 0 {
		p.logs.Info("Draining: " + signalName(sig) + "; a second signal ends the delay")
		if sig = p.whileServing(p.server.Withdraw); sig == syscall.SIGQUIT {
			p.logs.Info("Stopping: " + signalName(sig))
			return
		}
	}
	what := "Stopping"
	if sig != nil {
		what += ": " + signalName(sig)
	}
	p.logs.Info(what + "; a second signal stops at once")
	sig = p.whileServing(func(ctx context.Context) {
		_ = p.server.Drain(ctx) // which logs who could not be answered
	})
	if sig != nil {
		p.logs.Warn("Stopping at once: " + signalName(sig))
	}
}

// whileServing runs a step of the end until it is done or a signal to stop comes, which
// cancels it and is returned.
func (p *program) whileServing(step func(ctx context.Context)) os.Signal {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		step(ctx)
	}()
	for {
		select {
		case <-done:
			return nil
		case sig := <-p.signals.c:
			switch {
			case stops(sig):
				return sig
			case sig == syscall.SIGHUP:
				p.logs.Warn("Not reloaded: the server is stopping")
			default:
				p.adjust(sig)
			}
		}
	}
}
