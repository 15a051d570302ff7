package main

import (
	"slices"

	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/report"
)

// benchCase is a load, the servers that get it, and what ours are to reach.
type benchCase struct {
	id, title string
	load      load.Spec
	path      string   // what is asked for; "" is where the peer serves peers.Body
	idle      bool     // hold load.Connections idle ones and measure memory
	scrape    []string // what the server is asked of itself meanwhile, which is then what is measured
	hanging   int      // requests that hold the workers all the time
	servers   []string
	targets   []report.Target
}

func cpu(ours, reference string, limit float64) report.Target {
	return report.Target{Ours: ours, Metric: report.CPU, Reference: reference, Limit: limit}
}

func rate(ours, reference string, limit float64) report.Target {
	return report.Target{Ours: ours, Metric: report.Rate, Reference: reference, Limit: limit}
}

func memory(ours string, limit float64) report.Target {
	return report.Target{Ours: ours, Metric: report.Memory, Limit: limit}
}

// cases are run in this order.
var cases = slices.Concat(http1Cases, http2Cases, http3Cases, webSocketCases, staticCases, observeCases)

// wanted returns the servers to run: all of them, or only those that the
// targets name (and ours).
func (c benchCase) wanted(all bool) []string {
	if all || len(c.targets) == 0 {
		return c.servers
	}
	needed := map[string]bool{}
	for _, t := range c.targets {
		needed[t.Ours], needed[t.Reference] = true, true
	}
	var ids []string
	for _, id := range c.servers {
		if needed[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// metric returns what the case measures.
func (c benchCase) metric() report.Metric {
	switch {
	case len(c.scrape) > 0:
		return report.Scrape
	case c.idle:
		return report.Memory
	}
	return report.CPU
}
