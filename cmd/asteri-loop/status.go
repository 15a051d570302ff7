package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/stats"
	"github.com/asteri/asteri-loop/internal/statsd"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
)

// watched is what the server has to tell about itself.
type watched struct {
	counts    *stats.Exchanges
	statsd    *statsd.Client // nil without
	status    *status.Monitor
	token     string
	tokenFile *tokenFile // nil if the operator has chosen the token
	admin     []*loop.Listener
}

// openStatus starts what watches the server, if that is wanted.
func (s *server) openStatus() error {
	homes := make([]asteri.Executor, len(s.engine.Loops()))
	for i, l := range s.engine.Loops() {
		homes[i] = l
	}
	s.counts = stats.New(homes)
	s.logs.setHomes(homes)
	if s.statsd != nil {
		s.statsd.SetHomes(homes)
		s.statsd.SetMetrics(s.app)
	}
	if !s.cfg.Status {
		return nil
	}
	if s.token = s.cfg.StatusToken; s.token == "" {
		s.token = rand.Text()
		s.keepToken()
	}
	allow := make([]netip.Prefix, len(s.cfg.StatusAllow))
	for i, n := range s.cfg.StatusAllow {
		allow[i] = netip.MustParsePrefix(n) // Load has checked it
	}
	s.status = status.New(status.Options{
		Path: s.cfg.StatusPath, LivePath: s.cfg.LivePath, ReadyPath: s.cfg.ReadyPath,
		NoDashboard: s.cfg.DisableDashboard,
		Token:       s.token, Allow: allow, Hosts: s.cfg.StatusHosts,
		Ready: s.health, Report: s.report, Configuration: s.configuration, Control: control{s},
		MetricsPath: s.metricsPath(), Measures: s.measures, Metrics: s.app,
		Counts: s.counts, Homes: homes, Log: s.logs.recent, Logger: s.logs.Logger,
	})
	return s.listenAdmin()
}

// listenAdmin opens the listeners of those who may see and do everything.
func (s *server) listenAdmin() error {
	for _, addr := range s.cfg.AdminListen {
		h := http1.Protocol(s.status.Admin(), exchangeOptions(s.cfg, s.logs)...)
		ln, err := s.engine.ListenWith(loop.ListenConfig{Addr: addr, Backlog: s.cfg.Backlog, Mode: 0o600, Reserved: true, Protocols: []loop.Protocol{h}})
		if err != nil {
			return blameSettings(fmt.Errorf("--admin-listen: %w", err))
		}
		if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			s.logs.Warn("Who can reach the admin listener may see and do everything", "address", tcp)
		}
		s.admin = append(s.admin, ln)
	}
	return nil
}

// closeStatus ends what watches.
func (s *server) closeStatus() {
	if s.status != nil {
		s.status.Close()
	}
	s.tokenFile.remove()
}

// statusLink returns where the status page is: for who reads it on a terminal with
// what opens it.
func (s *server) statusLink() string {
	if s.status == nil {
		return ""
	}
	for _, ln := range s.admin {
		return place("http", ln) + s.cfg.StatusPath
	}
	if s.cfg.DisableDashboard {
		return ""
	}
	scheme := "https"
	if s.cfg.Serves("http") || s.tls == nil {
		scheme = "http"
	}
	link := place(scheme, s.listeners[0]) + s.cfg.StatusPath
	if s.tokenFile != nil && s.logs.terminal {
		link += "?token=" + s.token
	}
	return link
}

// place is how to reach a listener from this machine.
func place(scheme string, ln *loop.Listener) string {
	tcp, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return "unix:" + absolute(ln.Addr().String()) + " "
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

// announceStatus says in the log where to look.
func (s *server) announceStatus() {
	switch link := s.statusLink(); {
	case link == "":
	case s.tokenFile != nil && len(s.admin) == 0:
		s.logs.Info("Status page: "+link, "token_file", s.tokenFile.path)
	default:
		s.logs.Info("Status page: " + link)
	}
}

// configuration lists the settings as of the last reload.
func (s *server) configuration() []status.Setting {
	rows := s.live.Load().Rows()
	all := make([]status.Setting, len(rows))
	for i, r := range rows {
		all[i] = status.Setting{Name: r.Name, Value: strings.Trim(r.Value, `"`), Origin: r.Origin}
	}
	return all
}

// control is what operators may do on the status page.
type control struct{ *server }

// Reload is as SIGHUP.
func (c control) Reload() {
	select {
	case c.signals.c <- syscall.SIGHUP:
	default: // so many wait already that one will come to the same
	}
}

func (c control) Scale(delta int)       { c.app.Scale(delta) }
func (c control) Restart(pid int) error { return c.app.Restart(pid) }
func (c control) Stacks(ctx context.Context, pid int) (map[string]string, error) {
	return c.app.Stacks(ctx, pid)
}

// observer joins those who watch exchanges.
func (s *server) observer() asteri.Observer {
	var writers []asteri.Observer // of what others read
	if s.statsd != nil {
		writers = append(writers, s.statsd)
	}
	if s.tracer != nil {
		writers = append(writers, s.tracer)
	}
	told := asteri.Observers(append(writers, s.logs.observers()...)...)
	if s.status == nil {
		return told
	}
	return asteri.Observers(s.counts, s.status, s.status.Discreet(told))
}
