// Package server is the whole of the server as a library: HTTP/1.1, HTTP/2 and HTTP/3
// over TCP, TLS and QUIC, Go handlers and Python applications behind them, and static
// files, compression, limits, logs, metrics and a status page in front. The command
// asteri-loop is its flags.
//
//	srv, err := server.New(server.Config{App: server.App{Handler: handler}})
//	if err == nil {
//		err = srv.Run(ctx)
//	}
//
// New checks the settings, Start opens the ports, Ready waits for the applications, Drain
// lets what runs finish, and Close ends what is left. Run is all of that.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/internal/ctl"
	"github.com/asteri/asteri-loop/internal/observe/statsd"
	"github.com/asteri/asteri-loop/internal/observe/trace"
	"github.com/asteri/asteri-loop/internal/settings/tlsconf"
	"github.com/asteri/asteri-loop/internal/system/scheduling"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
)

// Server is one server. Its methods may be called from any goroutine, but not from
// handlers and other functions that loops call, which would wait for themselves.
type Server struct {
	cfg     Config                 // as at the start
	live    atomic.Pointer[Config] // as of the last reload
	started time.Time
	log     *slog.Logger
	recent  *status.Log

	engine *loop.Engine
	ports  []*port // of Listen.Addresses
	// adminPorts are those of Status.Listen.
	adminPorts []*port
	packets    []*net.UDPConn // of Listen.Packets, those that no port has
	apps       *sites
	addrs      Addrs
	http3      []*http3.Server

	tls     *tlsconf.Source  // nil without TLS
	ownCert *tls.Certificate // nil if certificates were given

	access    *accessLogs
	reloading sync.Mutex      // held during a reload
	reopening sync.Mutex      // held while the logs are opened again
	status    *status.Monitor // nil without
	control   *ctl.Server     // nil without
	statsd    *statsd.Client  // nil without
	tracer    *trace.Tracer   // nil if requests are not traced

	development *developer // nil if no files are watched

	// Of what passes from one process to another: see handover.go.
	inherited  inherited
	heirs      []*heir
	lent       []int // descriptors that are open for another process
	secret     []byte
	generation byte
	yielded    atomic.Bool // another process serves in the place of this one

	state   atomic.Pointer[error] // why the server as a whole is not ready, or nil
	asked   chan bool             // to stop, by an operator, and whether to drain: for Run; capacity 1
	bound   atomic.Bool
	begun   atomic.Bool
	ctx     context.Context // done when the server is to end
	cancel  context.CancelFunc
	closing sync.Once
	closed  chan struct{}
}

// Reasons for not being ready.
var (
	errStarting = errors.New("starting")
	errStopping = errors.New("stopping")
)

// Calls out of order.
var (
	// ErrStarted is returned by a second Start, and by one after Close.
	ErrStarted = errors.New("server: was started before")
	// ErrNotStarted is returned by what needs a server that runs.
	ErrNotStarted = errors.New("server: is not started")
)

// New returns a server with the settings of cfg. It reads certificates and looks for the
// folders of static files, but starts nothing. Its error is a *ConfigError unless the
// machine lacks something.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg.withDefaults(), started: time.Now(), closed: make(chan struct{}), asked: make(chan bool, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.live.Store(&s.cfg)
	s.state.Store(&errStarting)
	s.log, s.apps = s.cfg.Logs.Logger, new(sites)
	if err := s.cfg.check(); err != nil {
		return nil, err
	}
	if err := s.cfg.Development.check(); err != nil {
		return nil, err
	}
	s.keepRecent()
	if err := s.openTLS(); err != nil {
		return nil, err
	}
	if _, err := s.chain(nil); err != nil {
		return nil, err
	}
	return s, nil
}

// Start starts the loops and the applications, and opens the ports. Requests that come
// before an application is ready wait in its queue. After an error the server is closed.
func (s *Server) Start() error {
	if s.begun.Swap(true) {
		return ErrStarted
	}
	if err := s.open(); err != nil {
		_ = s.Close() // the first error says more
		return err
	}
	return nil
}

// open makes all parts.
func (s *Server) open() error {
	if !s.bound.Swap(true) {
		if err := s.bindAll(); err != nil {
			return err
		}
	}
	if err := s.openTracer(); err != nil {
		return err
	}
	s.engine.Start()
	if err := s.beginScheduling(); err != nil {
		return err
	}
	if err := s.awaitTurn(); err != nil {
		return err
	}
	if err := s.openDevelopment(); err != nil {
		return err
	}
	apps, err := s.startSites()
	if err != nil {
		return err
	}
	s.apps = apps
	s.development.begin()
	if err := s.openStatus(); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.warnOfDevelopment()
	return s.openControl() // which tells of all of them
}

func (s *Server) engineConfig() loop.Config {
	c := s.cfg.Engine
	c.Adaptive = c.Adaptive || c.Loops == 0 && s.cfg.servesPython()
	if c.GracefulTimeout > 0 {
		c.GracefulTimeout -= python.LastCall(c.GracefulTimeout) // what then is left is for workers
	}
	if c.OnPressure == nil {
		c.OnPressure = collectSooner(c.BufferBudget)
	}
	if c.OnBusy == nil && s.cfg.Scheduling == schedulingAuto && scheduling.Supported {
		c.OnBusy = s.onBusy
	}
	c.Exempt = s.cfg.exempt()
	c.Logger = s.log
	return c
}

// Ready waits until all applications can answer, or some, if Config.StrictStart allows that.
// Its error, other than that of ctx, says why one of them never will: errors.As finds a
// *python.BootError if that was its workers'.
func (s *Server) Ready(ctx context.Context) error {
	if s.engine == nil {
		return ErrNotStarted
	}
	if err := s.apps.Ready(ctx, s.ctx); err != nil {
		return err
	}
	s.state.CompareAndSwap(&errStarting, nil)
	s.warnOfCertificates()
	return nil
}

// Run starts the server, says in the log where it listens, serves until ctx is done, an
// operator stops it or it is closed, and withdraws, drains and closes it.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(); err != nil {
		return err
	}
	return errors.Join(s.serve(ctx), s.Close())
}

func (s *Server) serve(ctx context.Context) error {
	if err := s.Ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before all was ready
		}
		return err
	}
	for _, addr := range s.addrs.Clients {
		s.log.Info("Listening", "address", addr)
	}
	drain := true
	select {
	case <-ctx.Done():
	case drain = <-s.asked:
	case <-s.closed:
		return nil
	}
	end := context.WithoutCancel(ctx)
	if drain {
		delay, over := context.WithCancel(end)
		go s.untilAsked(delay, over)
		s.Withdraw(delay)
		over()
	}
	end, now := context.WithCancel(end)
	defer now()
	go s.untilAsked(end, now)
	return s.Drain(end)
}

// untilAsked calls stop when an operator asks once more before ctx is done.
func (s *Server) untilAsked(ctx context.Context, stop func()) {
	select {
	case <-s.asked:
		stop()
	case <-ctx.Done():
	}
}

// Withdraw says at Status.ReadyPath that the server is to get no traffic any more, and
// returns after Config.DrainDelay, or when ctx is done or the server closed. Until Drain,
// which is to follow, it serves on as before, new connections too: a balancer hears late.
func (s *Server) Withdraw(ctx context.Context) {
	s.state.Store(&errStopping)
	if s.cfg.DrainDelay <= 0 {
		return
	}
	s.log.Info("Serving on, and not ready any more", "drain_delay", s.cfg.DrainDelay)
	over := time.NewTimer(s.cfg.DrainDelay)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	case <-s.closed:
	}
}

// Drain stops the server gracefully: it accepts no more, has clients answered what they
// have asked, and then ends the applications, all within Engine.GracefulTimeout and ctx. Its
// error is a *loop.DrainError if not everybody could be answered. Close is to follow.
func (s *Server) Drain(ctx context.Context) error {
	if s.engine == nil {
		return ErrNotStarted
	}
	s.state.Store(&errStopping)
	s.cancel()
	if s.status != nil {
		s.status.EndStreams()
	}
	s.development.endStreams()
	ask(s.apps, func(_ *site, as drainer) { as.drain() })
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, max(s.cfg.Engine.GracefulTimeout, 0))
		defer cancel()
		err := s.engine.Drain()
		if err != nil {
			s.log.Warn("Not everybody could be answered", "error", err)
		}
		s.apps.Close(ctx)
		drained <- err
	}()
	select {
	case err := <-drained:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends at once what still runs, and returns when it has ended.
func (s *Server) Close() (err error) {
	s.begun.Store(true)
	s.closing.Do(func() {
		s.state.Store(&errStopping)
		s.cancel()
		s.control.Close()
		s.apps.kill()
		s.development.close()
		if s.engine != nil {
			err = s.engine.Close()
			s.endScheduling()
		}
		for _, at := range slices.Concat(s.ports, s.adminPorts) {
			at.close() // what no listener has taken
		}
		s.closeObservers()
		s.inherited.close()
		s.forget()
		close(s.closed)
	})
	<-s.closed
	return err
}

// Wait returns when the server is closed.
func (s *Server) Wait() { <-s.closed }

// Addrs are where a server is reached.
type Addrs struct {
	// Clients has one for each of Listen.Addresses, with the ports that the system
	// chose for port 0. HTTP3 are ports of UDP, Admin those of Status.Listen.
	Clients, HTTP3, Admin []net.Addr
}

// Addrs returns where the server is reached, once it is started.
func (s *Server) Addrs() Addrs { return s.addrs }

// Engine returns the loops, once the server is started: for timers, connections of one's
// own (loop.Loop.Adopt) and their counts.
func (s *Server) Engine() *loop.Engine { return s.engine }

// Logger returns the server's log, of which status page and metrics know.
func (s *Server) Logger() *slog.Logger { return s.log }

// OwnCertificate returns the certificate that the server has made for itself, or nil.
func (s *Server) OwnCertificate() *tls.Certificate { return s.ownCert }

// Applications describes what is served, the one that is at no mount first.
func (s *Server) Applications() []Description { return s.apps.describe() }

// Scale adds delta worker processes to each application that has some. One stays.
func (s *Server) Scale(delta int) {
	_, _ = s.apps.scale("", func(as Staff) int { return as.Scale(delta) }) // none has any: nothing to do
}

// reason is what is wrong in the words of who found it, without the field.
func reason(err error) string {
	if c := (*ConfigError)(nil); errors.As(err, &c) {
		return c.Err.Error()
	}
	return err.Error()
}
