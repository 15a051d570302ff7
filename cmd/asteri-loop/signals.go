package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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

// reload is as SIGHUP.
func (s *signals) reload() {
	select {
	case s.c <- syscall.SIGHUP:
	default: // so many wait already that one will come to the same
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

// control acts on signals until the server is to end. A reload runs beside it, one
// at a time, so that a stop need not wait for workers that do not start.
func (p *program) control() {
	reloaded := make(chan struct{}, 1)
	reloading, again := false, false
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reload := func() {
		reloading, again = true, false
		go func() { p.reload(ctx); reloaded <- struct{}{} }()
	}
	for {
		select {
		case <-reloaded:
			if reloading = false; again {
				reload()
			}
		case sig := <-p.signals.c:
			switch {
			case stops(sig):
				cancel()
				p.shutdown(sig)
				return
			case sig == syscall.SIGHUP && reloading:
				again = true
			case sig == syscall.SIGHUP:
				reload()
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
		p.logs.Warn("USR2 has no meaning: start the new program after this one has stopped")
	}
}

func (p *program) scale(delta int) {
	if p.servesDemonstration() {
		p.logs.Info("The demonstration has no worker processes")
		return
	}
	p.server.Scale(delta)
}

// shutdown stops the server: gracefully for TERM and INT, at once for QUIT, and at
// once for whichever comes second. INT is Ctrl-C, which is how most developers stop a
// server: their application's shutdown (lifespan, atexit) is to run as it will in
// production.
func (p *program) shutdown(sig os.Signal) {
	if sig == syscall.SIGQUIT {
		p.logs.Info("Stopping: " + signalName(sig))
		return
	}
	p.logs.Info("Stopping: " + signalName(sig) + "; a second signal stops at once")
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_ = p.server.Drain(context.Background()) // which logs who could not be answered
	}()
	for {
		select {
		case <-drained:
			return
		case sig := <-p.signals.c:
			if stops(sig) {
				p.logs.Warn("Stopping at once: " + signalName(sig))
				return
			}
		}
	}
}
