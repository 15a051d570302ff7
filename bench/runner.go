package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/proctree"
	"github.com/asteri/asteri-loop/bench/report"
)

const (
	warmUp = time.Second
	// settle is how long a server with idle connections may tidy up before
	// its memory is read.
	settle = 2 * time.Second
)

// runner measures cases.
type runner struct {
	place    peers.Place // Tmp is the folder that holds one for each start
	gen      load.Generator
	rounds   int
	duration time.Duration
	all      bool // every server of a case, not only the reference ones
}

// run measures one case: rounds of one sample of every server.
func (r runner) run(ctx context.Context, c benchCase) (report.Case, error) {
	out := report.Case{ID: c.id, Title: c.title, Load: c.describe()}
	for _, id := range c.wanted(r.all) {
		p, _, err := r.peer(id)
		if err != nil {
			return out, err
		}
		out.Servers = append(out.Servers, report.Server{ID: id, Name: p.Name, Ours: ours(id)})
	}
	measure := r.runRounds
	if r.inPairs(c) {
		measure = r.runPairs
	}
	if err := measure(ctx, c, &out); err != nil {
		return out, err
	}
	for _, t := range c.targets {
		out.Verdicts = append(out.Verdicts, out.Judge(t))
	}
	return out, nil
}

// runRounds measures a case one server at a time.
func (r runner) runRounds(ctx context.Context, c benchCase, out *report.Case) error {
	for round := range r.rounds {
		order := make([]*report.Server, len(out.Servers))
		for i := range out.Servers {
			order[i] = &out.Servers[i]
		}
		if round%2 == 1 { // A B, B A: a drift of the machine meets both alike
			slices.Reverse(order)
		}
		for _, s := range order {
			if s.Problem != "" {
				continue
			}
			if err := quietly(ctx, func() error { return r.sample(ctx, c, s, round) }); err != nil {
				s.Problem = err.Error()
				slog.Warn("no sample", "case", c.id, "server", s.ID, "round", round+1, "error", err)
			}
			if err := context.Cause(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c benchCase) describe() string {
	if len(c.scrape) > 0 {
		return strings.Join(c.scrape, ", ") + " asked for on new connections, while there are " + c.load.String()
	}
	if c.idle {
		return "memory of " + c.load.String() + ", idle after one answer each"
	}
	return c.load.String()
}

// sample starts a server, measures it once and stops it.
func (r runner) sample(ctx context.Context, c benchCase, into *report.Server, round int) (err error) {
	s, err := r.begin(ctx, c, into)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	measure := r.underLoad
	switch c.metric() {
	case report.Scrape:
		measure = r.whileScraped
	case report.Memory:
		measure = r.whileIdle
	}
	got, err := measure(ctx, c, s)
	if err != nil {
		return s.Explain(err)
	}
	keep(c, into, got, round)
	return nil
}

// begin starts a server of a case.
func (r runner) begin(ctx context.Context, c benchCase, into *report.Server) (*server, error) {
	p, at, err := r.peer(into.ID)
	if err != nil {
		return nil, err
	}
	if at.Tmp, err = os.MkdirTemp(r.place.Tmp, into.ID+"-"); err != nil {
		return nil, err
	}
	s, err := start(ctx, p, at, c)
	if err == nil {
		into.Command = s.shown(at)
	}
	return s, err
}

// keep adds a sample of a round, which counts from 0.
func keep(c benchCase, into *report.Server, got report.Sample, round int) {
	got.Round = round + 1
	into.Samples = append(into.Samples, got)
	logSample(c, into.ID, got)
}

func logSample(c benchCase, id string, got report.Sample) {
	log := slog.With("case", c.id, "server", id, "round", got.Round)
	if len(c.scrape) > 0 {
		log.Info("sample", "scrape_p99_ms", fmt.Sprintf("%.1f", report.Scrape.Of(got)), "rate", int(got.Rate), "bad", got.Bad)
		return
	}
	if c.idle {
		log.Info("sample", "bytes_per_connection", int(got.Memory))
		return
	}
	log.Info("sample", "cpu_us", fmt.Sprintf("%.2f", got.CPU), "rate", int(got.Rate), "bad", got.Bad)
}

// underLoad loads a warm server and reads its CPU time around the load.
func (r runner) underLoad(ctx context.Context, c benchCase, s *server) (report.Sample, error) {
	if _, err := r.gen.Run(ctx, c.load, s.url(), warmUp); err != nil {
		return report.Sample{}, err
	}
	var sum spent
	if err := r.load(ctx, c, s, r.duration, &sum); err != nil {
		return report.Sample{}, err
	}
	return sum.sample(ctx, s)
}

// spent is what one or more loads of a server came to.
type spent struct {
	load.Result
	server time.Duration // CPU time of its process tree
	others time.Duration // and of all processes that are none of ours
	loads  int
}

// load loads s for d and adds to sum.
func (r runner) load(ctx context.Context, c benchCase, s *server, d time.Duration, sum *spent) error {
	before, err := proctree.CPU(s.PID)
	if err != nil {
		return err
	}
	var res load.Result
	others, err := meanwhile(func() (err error) {
		res, err = r.gen.Run(ctx, c.load, s.url(), d)
		return err
	})
	if err != nil {
		return err
	}
	after, err := proctree.CPU(s.PID)
	if err != nil {
		return err
	}
	sum.server += after - before
	sum.others += others
	sum.loads++
	sum.Good += res.Good
	sum.Bad += res.Bad
	sum.Elapsed += res.Elapsed
	sum.CPU += res.CPU
	sum.P50 += res.P50
	sum.P99 += res.P99
	return nil
}

// sample is what was spent, if the server is still well. Percentiles are those of a
// load on average.
func (sum *spent) sample(ctx context.Context, s *server) (report.Sample, error) {
	if sum.Good == 0 {
		return report.Sample{}, fmt.Errorf("no good response, %d errors", sum.Bad)
	}
	if err := checkNoise(sum.others, sum.Elapsed); err != nil {
		return report.Sample{}, err
	}
	if err := s.check(ctx); err != nil {
		return report.Sample{}, fmt.Errorf("after the load: %w", err)
	}
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return report.Sample{
		CPU:       micros(sum.server) / float64(sum.Good),
		Rate:      float64(sum.Good) / sum.Elapsed.Seconds(),
		Good:      sum.Good,
		Bad:       sum.Bad,
		P50:       micros(sum.P50) / float64(sum.loads),
		P99:       micros(sum.P99) / float64(sum.loads),
		ClientCPU: micros(sum.CPU) / float64(sum.Good),
	}, nil
}

// whileIdle reads the memory of a warm server without and with connections.
func (r runner) whileIdle(ctx context.Context, c benchCase, s *server) (report.Sample, error) {
	few := c.load
	few.Connections = 64
	if _, err := r.gen.Run(ctx, few, s.url(), warmUp); err != nil {
		return report.Sample{}, err
	}
	before, err := settled(ctx, s)
	if err != nil {
		return report.Sample{}, err
	}
	idle, err := load.OpenIdle(ctx, s.url(), c.load)
	if err != nil {
		return report.Sample{}, err
	}
	defer idle.Close()
	after, err := settled(ctx, s)
	if err != nil {
		return report.Sample{}, err
	}
	if alive := idle.Alive(); alive != c.load.Connections {
		return report.Sample{}, fmt.Errorf("the server closed %d of %d idle connections", c.load.Connections-alive, c.load.Connections)
	}
	each := func(n int64) float64 { return float64(n) / float64(c.load.Connections) }
	return report.Sample{Memory: each(after.PSS - before.PSS), RSS: each(after.RSS - before.RSS)}, nil
}

func settled(ctx context.Context, s *server) (proctree.Memory, error) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return proctree.Memory{}, context.Cause(ctx)
	}
	return proctree.MemoryOf(s.PID)
}
