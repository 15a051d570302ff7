package main

import (
	"cmp"
	"path/filepath"
	"strings"

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
	metric := report.CPU
	switch {
	case len(c.scrape) > 0:
		metric = report.Scrape
	case c.idle:
		metric = report.Memory
	}
	all := c.servers
	c.servers, c.targets = nil, nil
	for _, id := range all {
		if !ours(id) {
			continue
		}
		c.servers = append(c.servers, id, id+earlier)
		c.targets = append(c.targets, report.Target{Ours: id, Metric: metric, Reference: id + earlier, Limit: slower})
	}
	return c
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
