package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/report"
)

const (
	// earlier marks a server of ours that runs the binary of -against.
	earlier = "@earlier"
	// slower is how much worse than before a case may become.
	slower = 1.02
)

func ours(id string) bool {
	return strings.HasPrefix(id, "asteri-") && !strings.HasPrefix(id, "asteri-py-")
}

// against is the case with our servers alone, each beside its earlier self.
func (c benchCase) against() benchCase {
	all := c.servers
	c.servers, c.targets = nil, nil
	for _, id := range all {
		if !ours(id) {
			continue
		}
		c.servers = append(c.servers, id, id+earlier)
		c.targets = append(c.targets, report.Target{Ours: id, Metric: c.metric(), Reference: id + earlier, Limit: slower})
	}
	return c
}

// inPairs tells whether a case is measured with both servers of a pair running: they
// are loaded in turns of a second, so that a machine whose speed changes meets both alike.
func (r runner) inPairs(c benchCase) bool {
	return c.metric() == report.CPU && len(c.servers) > 1 && c.servers[1] == c.servers[0]+earlier
}

// runPairs measures a case in pairs.
func (r runner) runPairs(ctx context.Context, c benchCase, out *report.Case) error {
	for i := 0; i < len(out.Servers); i += 2 {
		now, before := &out.Servers[i], &out.Servers[i+1]
		for round := 0; round < r.rounds && now.Problem == ""; round++ {
			if err := quietly(ctx, func() error { return r.pair(ctx, c, now, before, round) }); err != nil {
				now.Problem = err.Error()
				slog.Warn("no sample", "case", c.id, "server", now.ID, "round", round+1, "error", err)
			}
			if err := context.Cause(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair measures a server and its earlier self for a round, both started afresh.
func (r runner) pair(ctx context.Context, c benchCase, now, before *report.Server, round int) (err error) {
	pair := []*report.Server{now, before}
	servers, sums := make([]*server, 2), make([]spent, 2)
	defer func() {
		for _, s := range servers {
			if s != nil {
				err = errors.Join(err, s.stop())
			}
		}
	}()
	for i, s := range pair {
		if servers[i], err = r.begin(ctx, c, s); err != nil {
			return err
		}
		if _, err := r.gen.Run(ctx, c.load, servers[i].url(), warmUp); err != nil {
			return servers[i].Explain(err)
		}
	}
	for turn := range 2 * int(r.duration/time.Second) {
		i := (turn + turn/2 + round) % 2 // A B B A
		if err := r.load(ctx, c, servers[i], time.Second, &sums[i]); err != nil {
			return servers[i].Explain(err)
		}
	}
	samples := make([]report.Sample, len(pair)) // both, or none
	for i := range pair {
		if samples[i], err = sums[i].sample(ctx, servers[i]); err != nil {
			return servers[i].Explain(err)
		}
	}
	for i, s := range pair {
		keep(c, s, samples[i], round)
	}
	return nil
}

// peer finds a server of a case and where it runs.
func (r runner) peer(id string) (peers.Peer, peers.Place, error) {
	name, before := strings.CutSuffix(id, earlier)
	p, err := peers.ByID(name)
	at := r.place
	if before {
		p.ID, p.Name = id, cmp.Or(p.Name, name)+", earlier"
		at.Bin = earlierBin(at.Bin)
	}
	return p, at, err
}

// earlierBin is the folder of the earlier binary beside that of all programs.
func earlierBin(bin string) string { return filepath.Join(bin, "earlier") }
