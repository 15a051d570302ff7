package main

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/logging"
	"github.com/asteri/asteri-loop/internal/tlsconf"
	"github.com/asteri/asteri-loop/internal/trace"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
)

// server is one run of the program.
type server struct {
	input   config.Input
	cfg     *config.Config                // as at the start
	live    atomic.Pointer[config.Config] // as of the last reload
	started time.Time

	logs      *logs
	reopening sync.Mutex // held while the logs are opened again
	engine    *loop.Engine
	app       application
	listeners []*loop.Listener
	http3     []*http3.Server

	tls     *tlsconf.Source  // nil without TLS
	ownCert *tls.Certificate // nil if certificates were given

	signals *signals
	watched
	tracer *trace.Tracer // nil if requests are not traced

	abandoned bool // the start hangs: nothing of it can be closed

	state atomic.Pointer[error] // why the server as a whole is not ready, or nil
}

// Reasons for not being ready.
var (
	errStarting = errors.New("starting")
	errStopping = errors.New("stopping")
)

// serve runs the server, or checks its settings, and returns the exit status.
func serve(input config.Input, cfg *config.Config) int {
	if cfg.Chdir != "" {
		if err := os.Chdir(cfg.Chdir); err != nil {
			return complain(exitUsage, err)
		}
	}
	l, err := openLogs(cfg)
	if err != nil {
		return complain(exitStatus(err), err)
	}
	defer l.close()
	s := &server{input: input, cfg: cfg, logs: l, started: time.Now()}
	s.live.Store(cfg)
	s.state.Store(&errStarting)
	for _, w := range cfg.Warnings {
		l.Warn(w)
	}
	if cfg.CheckConfig {
		return s.check()
	}
	if os.Geteuid() == 0 {
		l.Warn("The server runs as root: whoever takes it over, or the application, has the machine. Give it a user of its own; CAP_NET_BIND_SERVICE is enough for ports below 1024")
	}
	return s.run()
}

// run starts the server, serves until it is told to stop, and returns the exit
// status.
func (s *server) run() int {
	s.signals = watchSignals()
	reapOrphans()
	s.announceStart()
	status := s.serve()
	if !s.abandoned {
		s.close()
	}
	if status == exitOK {
		s.logs.Info("Stopped")
	}
	return status
}

func (s *server) serve() int {
	if stop, err := s.await(func(context.Context) error { return s.open() }); stop {
		return exitOK
	} else if err != nil {
		return s.fail(exitStatus(err), "The server cannot start", err)
	}
	if stop, err := s.await(s.app.Ready); stop {
		return exitOK
	} else if err != nil {
		return s.fail(exitBoot, "The application cannot be started", err)
	}
	s.state.Store(nil)
	s.announceReady()
	s.warnOfCertificates()
	s.control(s.signals)
	return exitOK
}

// open makes all parts: engine, certificates, application, ports.
func (s *server) open() (err error) {
	if err := s.openTLS(); err != nil {
		return err
	}
	if err := s.openTracer(); err != nil {
		return err
	}
	s.openStatsd()
	if s.engine, err = newEngine(s.cfg, s.logs); err != nil {
		return err
	}
	s.engine.Start() // workers are connected to running loops
	if s.app, err = newApplication(s.engine, s.cfg, s.logs); err != nil {
		return err
	}
	if err := s.openStatus(); err != nil {
		return err
	}
	return s.listen()
}

// await runs a step of the start, and gives it up for a signal to stop: a file on a server
// that is gone, a name that is not found or an application may take for ever.
func (s *server) await(step func(ctx context.Context) error) (stop bool, err error) {
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
			s.abandoned = true
			return true, nil
		case sig := <-s.signals.c:
			if stops(sig) && !stop {
				s.logs.Info("Stopping: " + signalName(sig))
				stop, late = true, time.After(stepPatience)
				cancel()
			}
		}
	}
}

// stepPatience is what a step that is to be given up has for its end.
const stepPatience = time.Second

// close ends at once what still runs.
func (s *server) close() {
	s.closeStatus()
	if s.app != nil {
		s.app.Kill()
	}
	if s.engine != nil {
		_ = s.engine.Close()
	}
	s.closeStatsd()
	s.closeTracer()
}

// fail logs why the server ends.
func (s *server) fail(status int, what string, err error) int {
	s.logs.Log(context.Background(), logging.LevelCritical, what+": "+err.Error())
	return status
}

// check is --check-config.
func (s *server) check() int {
	if err := s.openTLS(); err != nil {
		return s.fail(exitStatus(err), "The settings do not work", err)
	}
	s.warnOfCertificates()
	if _, err := edge(nil, s.cfg, s.logs); err != nil {
		return s.fail(exitStatus(err), "The settings do not work", err)
	}
	if err := checkSites(s.cfg, s.logs); err != nil {
		return s.fail(exitBoot, "The application cannot be started", err)
	}
	if s.cfg.App == "" && len(s.cfg.Mounts) == 0 {
		s.logs.Info("The settings are good; there is no application to import, so the demonstration would be served")
	}
	return exitOK
}

// health says why the server should get no traffic now, or returns nil.
func (s *server) health() error {
	if why := s.state.Load(); why != nil {
		return *why
	}
	return s.app.Health()
}

func (s *server) report() status.Report {
	stats := s.engine.Stats()
	doc := status.Report{
		Server: status.Server{
			Name: "asteri-loop", Version: version, PID: os.Getpid(),
			Started: s.started.UTC().Round(time.Millisecond), Uptime: seconds(time.Since(s.started)),
		},
		Handshakes:  stats.Handshakes,
		Overload:    stats.Overload,
		BufferBytes: stats.BufferBytes,
		Refused:     stats.Refused,

		Certificates: s.certificates(),
	}
	about := s.app.Describe()
	doc.Application = about[0].Application
	for _, one := range about[1:] {
		doc.Mounts = append(doc.Mounts, one.Application)
	}
	for id, l := range stats.Loops {
		doc.Connections += l.Connections
		doc.Loops = append(doc.Loops, status.Loop{
			ID: id, Active: id < stats.Active, Connections: l.Connections, Accepted: l.Accepted,
			Ticks: l.Ticks, Panics: l.Panics,
		})
	}
	s.reportHTTP3(&doc)
	s.app.Report(&doc)
	return doc
}

// seconds is for JSON: no more digits than mean something.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
