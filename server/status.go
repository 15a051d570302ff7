package server

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/logging"
	"github.com/asteri/asteri-loop/internal/observe/statsd"
	"github.com/asteri/asteri-loop/internal/observe/trace"
	"github.com/asteri/asteri-loop/status"
)

// Status says what the server tells about itself, and to whom: package status.
type Status struct {
	// Off has it tell nothing, metrics and probes included.
	Off bool
	// NoDashboard leaves Path and what is below it to the application.
	NoDashboard bool
	// Path is that of the page, LivePath and ReadyPath are for probes. Defaults
	// /asteri-status, /livez and /readyz.
	Path, LivePath, ReadyPath string
	// Allow are addresses and networks whose clients may look, beside this machine's,
	// and Hosts names by which they may ask, beside localhost and addresses.
	Allow, Hosts []string
	// Token opens everything to who has it. Default: one that nobody knows.
	Token string
	// Listen are addresses at which everybody may see and do everything.
	Listen []string
	// Settings returns what the page shows as configuration; nil for nothing.
	Settings func() []status.Setting
}

// path is that of the page.
func (s *Status) path() string { return cmp.Or(s.Path, status.DefaultPath) }

// Metrics says who is told what is counted.
type Metrics struct {
	// Off leaves Path to the application.
	Off bool
	// Path is where Prometheus finds metrics. Default /metrics.
	Path string
	// Further are metrics to show there beside the server's and its applications'.
	Further prometheus.Gatherer
	// StatsD is HOST:PORT or unix:PATH of a StatsD server. Default none.
	StatsD string
	// StatsDPrefix is put before every name. StatsDTags are those of DogStatsD,
	// separated by commas.
	StatsDPrefix, StatsDTags string
}

// Traces are OpenTelemetry's, sent by OTLP.
type Traces struct {
	// Endpoint is the URL of a collector. Default: that of the environment variables
	// that OpenTelemetry has for it, and no traces without any.
	Endpoint string
}

// openTracer begins to trace requests, if the settings or the environment want it.
func (s *Server) openTracer() (err error) {
	if !trace.Wanted(s.cfg.Traces.Endpoint, os.Getenv) {
		return nil
	}
	s.tracer, err = trace.New(trace.Options{Endpoint: s.cfg.Traces.Endpoint, Version: s.cfg.Version, Getenv: os.Getenv, Logger: s.log})
	return err
}

// openStatsd starts to tell a StatsD server, if that is wanted. What is logged from now on
// counts.
func (s *Server) openStatsd() {
	m := &s.cfg.Metrics
	if m.StatsD == "" {
		return
	}
	o := statsd.Options{
		Network: "udp", Address: m.StatsD, Prefix: m.StatsDPrefix, Tags: m.StatsDTags,
		Workers: s.workerCount, Logger: s.log,
	}
	if path, ok := strings.CutPrefix(o.Address, "unix:"); ok {
		o.Network, o.Address = "unixgram", path
	}
	s.statsd = statsd.New(o)
	s.log = slog.New(s.statsd.Logs(s.log.Handler()))
}

// workerCount is the number of workers once there are applications.
func (s *Server) workerCount() int {
	if s.state.Load() != nil { // they are perhaps being made
		return 0
	}
	var doc status.Report
	s.apps.report(&doc)
	return len(doc.Workers)
}

// openStatus starts what watches the server, if that is wanted.
func (s *Server) openStatus() error {
	homes := make([]asteri.Executor, len(s.engine.Loops()))
	for i, l := range s.engine.Loops() {
		homes[i] = l
	}
	further := s.furtherMetrics()
	if s.statsd != nil {
		s.statsd.SetMetrics(further)
	}
	c := &s.cfg.Status
	if c.Off && s.cfg.Control.Socket == "" {
		return nil
	}
	allow, err := c.networks()
	if err != nil {
		return err
	}
	s.status = status.New(status.Options{
		Path: c.Path, LivePath: c.LivePath, ReadyPath: c.ReadyPath, NoDashboard: c.NoDashboard, Unseen: c.Off,
		Token: cmp.Or(c.Token, rand.Text()), Allow: allow, Hosts: c.Hosts,
		Ready: s.health, Report: s.report, Configuration: c.Settings, Control: operator{s},
		MetricsPath: s.cfg.Metrics.Path, Measures: s.measures, Metrics: further,
		Homes: homes, Log: s.recent, Logger: s.log,
	})
	if c.Off {
		return nil
	}
	return s.listenAdmin()
}

// furtherMetrics are the applications' and the embedding program's.
func (s *Server) furtherMetrics() prometheus.Gatherer {
	if s.cfg.Metrics.Further == nil {
		return s.apps
	}
	return prometheus.Gatherers{s.apps, s.cfg.Metrics.Further}
}

// observer joins those who watch exchanges.
func (s *Server) observer() asteri.Observer {
	var writers []asteri.Observer // of what others read
	if s.statsd != nil {
		writers = append(writers, s.statsd)
	}
	if s.tracer != nil {
		writers = append(writers, s.tracer)
	}
	told := asteri.Observers(append(writers, s.access.observers()...)...)
	if s.status == nil {
		return told
	}
	return asteri.Observers(s.status, s.status.Redacting(told))
}

// closeObservers ends those who watch, so that nothing that was told is lost: the access
// logs first, which may have to tell of losses.
func (s *Server) closeObservers() {
	if s.status != nil {
		s.status.Close()
	}
	if s.statsd != nil {
		s.statsd.Close()
	}
	if s.tracer != nil {
		s.tracer.Close(flushTimeout)
	}
	s.access.close()
}

// health says why the server should get no traffic now, or returns nil.
func (s *Server) health() error {
	if s.yielded.Load() {
		return nil // who asks here is about to be sent to the process that is
	}
	if why := s.state.Load(); why != nil {
		return *why
	}
	return s.apps.health()
}

// report is what only the server knows of the status document.
func (s *Server) report() status.Report {
	stats := s.engine.Stats()
	doc := status.Report{
		Server: status.Server{
			Name: s.cfg.Name, Version: s.cfg.Version, PID: os.Getpid(),
			Started: s.started.UTC().Round(time.Millisecond), Uptime: seconds(time.Since(s.started)),
		},
		Handshakes: stats.Handshakes, Overload: stats.Overload, BufferBytes: stats.BufferBytes, Refused: stats.Refused,
		Certificates: s.certificates(),
	}
	about := s.apps.describe()
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
	s.apps.report(&doc)
	return doc
}

// reportHTTP3 adds the connections of HTTP/3.
func (s *Server) reportHTTP3(doc *status.Report) {
	for _, srv := range s.http3 {
		stats := srv.Stats()
		if doc.HTTP3 == nil {
			doc.HTTP3 = &status.HTTP3{}
		}
		doc.Connections += int64(stats.Connections)
		doc.Handshakes += stats.Handshakes
		doc.HTTP3.Connections += stats.Connections
		doc.HTTP3.Accepted += stats.Accepted
		for code, n := range stats.Errors {
			if doc.HTTP3.Errors == nil {
				doc.HTTP3.Errors = make(map[string]uint64)
			}
			doc.HTTP3.Errors[code] += n
		}
	}
}

// measures is what the metrics tell beside the status document.
func (s *Server) measures() status.Measures {
	lost := map[string]uint64{"access": s.access.main.Lost()}
	if s.cfg.Logs.Lost != nil {
		for name, n := range s.cfg.Logs.Lost() {
			lost[name] += n
		}
	}
	m := status.Measures{Engine: s.engine.Stats(), BufferBudget: s.cfg.Engine.BufferBudget, Pools: s.apps.pools(), LogLinesLost: lost}
	if s.statsd != nil {
		lost := s.statsd.Lost()
		m.StatsdLost = &lost
	}
	return m
}

// seconds is for JSON: no more digits than mean something.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// keepRecent has the log of the server be kept for the status page.
func (s *Server) keepRecent() {
	if s.recent = s.cfg.Logs.Recent; s.recent == nil {
		s.recent = status.NewLog()
		s.log = slog.New(s.recent.Handler(s.log.Handler(), logging.PIDKey))
	}
}
