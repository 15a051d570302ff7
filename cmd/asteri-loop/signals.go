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

// watchSignals is for the rest of the process: what is logged last must not meet
// the default actions either.
func watchSignals() *signals {
	s := &signals{c: make(chan os.Signal, 16), ignored: make(chan os.Signal, 1)}
	signal.Notify(s.c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN, syscall.SIGTTOU)
	// A reader of our output that has gone must not take the server with it.
	// Not signal.Ignore, which workers would inherit.
	signal.Notify(s.ignored, syscall.SIGPIPE)
	return s
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
func (s *server) control(signals *signals) {
	reloaded := make(chan struct{}, 1)
	reloading, again := false, false
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reload := func() {
		reloading, again = true, false
		go func() { s.reload(ctx); reloaded <- struct{}{} }()
	}
	for {
		select {
		case <-reloaded:
			if reloading = false; again {
				reload()
			}
		case sig := <-signals.c:
			switch {
			case stops(sig):
				cancel()
				s.shutdown(sig, signals)
				return
			case sig == syscall.SIGHUP && reloading:
				again = true
			case sig == syscall.SIGHUP:
				reload()
			default:
				s.adjust(sig)
			}
		}
	}
}

// adjust acts on the signals that take no time.
func (s *server) adjust(sig os.Signal) {
	switch sig {
	case syscall.SIGTTIN:
		s.app.Scale(1)
	case syscall.SIGTTOU:
		s.app.Scale(-1)
	case syscall.SIGUSR1:
		s.reopenLogs()
	case syscall.SIGUSR2: // which would otherwise end the server
		s.logs.Warn("USR2 has no meaning: start the new program after this one has stopped")
	}
}

// reopenLogs goes on in the log files that the settings name by then, and says so. It runs
// beside its caller, one at a time: each waits for what was logged before, which may take
// for ever if an output takes nothing.
func (s *server) reopenLogs() (done <-chan struct{}) {
	reopened := make(chan struct{})
	go func() {
		defer close(reopened)
		s.reopening.Lock()
		defer s.reopening.Unlock()
		if err := s.logs.reopen(s.live.Load()); err != nil {
			s.logs.Error("The logs stay as they were: " + err.Error())
			return
		}
		s.logs.Info("The logs are open again")
	}()
	return reopened
}

// shutdown stops the server: gracefully for TERM and INT, at once for QUIT, and at
// once for whichever comes second. INT is Ctrl-C, which is how most developers stop a
// server: their application's shutdown (lifespan, atexit) is to run as it will in
// production.
func (s *server) shutdown(sig os.Signal, signals *signals) {
	s.state.Store(&errStopping)
	if sig == syscall.SIGQUIT {
		s.logs.Info("Stopping: " + signalName(sig))
		return
	}
	s.logs.Info("Stopping: " + signalName(sig) + "; a second signal stops at once")
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.GracefulTimeout)
	defer cancel()
	drained := make(chan struct{})
	if s.status != nil {
		s.status.EndStreams()
	}
	go func() {
		defer close(drained)
		s.engine.Drain()
		s.app.Stop(ctx)
	}()
	for {
		select {
		case <-drained:
			return
		case sig := <-signals.c:
			if stops(sig) {
				s.logs.Warn("Stopping at once: " + signalName(sig))
				return
			}
		}
	}
}
