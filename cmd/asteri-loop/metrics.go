package main

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/statsd"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers"
)

// metricsPath is where metrics are; empty for nowhere.
func (s *server) metricsPath() string {
	if s.cfg.DisableMetrics {
		return ""
	}
	return s.cfg.MetricsPath
}

// measures is what the metrics tell beside the status document.
func (s *server) measures() status.Measures {
	m := status.Measures{
		Engine: s.engine.Stats(), BufferBudget: s.cfg.BufferBudget, Pools: s.app.Pools(),
		LogLinesLost: map[string]uint64{"error": s.logs.output.Lost(), "access": s.logs.access.Lost()},
	}
	if s.logs.syslog != nil {
		m.LogLinesLost["syslog"] = s.logs.syslog.Lost()
	}
	if s.statsd != nil {
		lost := s.statsd.Lost()
		m.StatsdLost = &lost
	}
	return m
}

// openStatsd starts to tell a StatsD server, if that is wanted. What is logged from
// now on counts.
func (s *server) openStatsd() {
	if s.cfg.StatsdHost == "" {
		return
	}
	o := statsd.Options{
		Network: "udp", Address: s.cfg.StatsdHost, Prefix: s.cfg.StatsdPrefix, Tags: s.cfg.DogstatsdTags,
		Workers: s.workerCount, Logger: s.logs.Logger,
	}
	if path, ok := strings.CutPrefix(o.Address, "unix:"); ok {
		o.Network, o.Address = "unixgram", path
	}
	s.statsd = statsd.New(o)
	s.logs.Logger = slog.New(s.statsd.Logs(s.logs.Handler()))
}

func (s *server) closeStatsd() {
	if s.statsd != nil {
		s.statsd.Close()
	}
}

// workerCount is the number of workers once there is an application.
func (s *server) workerCount() int {
	if s.state.Load() != nil { // the application is perhaps being made
		return 0
	}
	var doc status.Report
	s.app.Report(&doc)
	return len(doc.Workers)
}

// Pools tells about the pool.
func (a *pythonApp) Pools() []status.PoolMeasures {
	s := a.Snapshot()
	p := status.PoolMeasures{
		Model: a.cfg.WorkerClass, Queued: s.Queued, QueueSize: s.QueueSize,
		Refused: s.Refused, Expired: s.Expired, TimedOut: s.TimedOut, Retried: s.Retried,
		Started: s.Started, Exited: s.Exits, MetricsDropped: a.MetricsDropped(),
	}
	for _, w := range s.Workers {
		p.InFlight += w.InFlight
	}
	return []status.PoolMeasures{p}
}

// Pools tells about the model. tornado, which calls the handler directly, has no
// queue.
func (d *demonstration) Pools() []status.PoolMeasures {
	m := d.model.Load()
	counted, ok := m.handler.(interface{ Stats() workers.Stats })
	if !ok {
		return nil
	}
	s := counted.Stats()
	return []status.PoolMeasures{{
		Model: m.about.Model, Queued: s.Queued, QueueSize: m.queue, InFlight: s.Running + s.Late,
		Refused: s.Refused, TimedOut: s.TimedOut,
	}}
}

// Pools has nothing to tell: the other server has the workers.
func (p *proxied) Pools() []status.PoolMeasures { return nil }

// Pools tells about all pools.
func (s *sites) Pools() []status.PoolMeasures {
	var all []status.PoolMeasures
	for _, a := range s.list {
		for _, p := range a.application.Pools() {
			p.App = a.at
			all = append(all, p)
		}
	}
	return all
}

// Gather has nothing: handlers in Go give theirs to whoever embeds the server.
func (d *demonstration) Gather() ([]*dto.MetricFamily, error) { return nil, nil }

// Gather has nothing: the other server shows its own.
func (p *proxied) Gather() ([]*dto.MetricFamily, error) { return nil, nil }

// Gather joins the metrics of all applications. Those at a mount are told apart by it.
func (s *sites) Gather() ([]*dto.MetricFamily, error) {
	all := make(prometheus.Gatherers, len(s.list))
	for i, a := range s.list {
		all[i] = prometheus.GathererFunc(a.labelled)
	}
	return all.Gather()
}

// labelled gathers a site's metrics with a label for where it is.
func (a *site) labelled() ([]*dto.MetricFamily, error) {
	families, err := a.application.Gather()
	if a.at == "" {
		return families, err
	}
	name := "app"
	for _, f := range families {
		for _, m := range f.Metric {
			i, _ := slices.BinarySearchFunc(m.Label, name, func(l *dto.LabelPair, name string) int { return strings.Compare(l.GetName(), name) })
			m.Label = slices.Insert(m.Label, i, &dto.LabelPair{Name: &name, Value: &a.at})
		}
	}
	return families, err
}

// named tells observers which application has a request.
func named(next asteri.Handler, app string) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		x.Request().Handling.App = app
		next.ServeExchange(x)
	})
}
