package main

import (
	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/report"
)

// surfaces are what the server tells of itself, all of it with the token.
var surfaces = []string{"/metrics", "/asteri-status", "/asteri-status.json"}

// tells says how many milliseconds 99 of 100 answers about the server itself may take.
func tells(ours string, limit float64) report.Target {
	return report.Target{Ours: ours, Metric: report.Scrape, Limit: limit}
}

// observeCases are about what it costs to be observed, and how soon one is told.
var observeCases = []benchCase{
	{
		id: "observe", title: "Everything observed, Go handler", load: load.Spec{Connections: 64},
		servers: []string{"asteri-go-unobserved", "asteri-go", "asteri-go-logged", "asteri-go-observed"},
		targets: []report.Target{cpu("asteri-go-observed", "asteri-go-unobserved", 1.05)},
	},
	{
		id: "observe-wsgi", title: "Everything observed, WSGI hello", load: load.Spec{Connections: 64},
		servers: []string{"asteri-gthread-unobserved", "asteri-gthread", "asteri-gthread-observed"},
		targets: []report.Target{cpu("asteri-gthread-observed", "asteri-gthread-unobserved", 1.05)},
	},
	{
		id: "scrape", title: "Metrics and status under full load", load: load.Spec{Connections: 64}, scrape: surfaces,
		servers: []string{"asteri-go-told"},
		targets: []report.Target{tells("asteri-go-told", 50)},
	},
	{
		// The workers have two requests each that never end, and a queue that
		// is full of such; the load is files.
		id: "scrape-hanging", title: "Metrics and status under full load, all workers hang", load: load.Spec{Connections: 64},
		path: peers.SmallFile, scrape: surfaces, hanging: 64,
		servers: []string{"asteri-hanging"},
		targets: []report.Target{tells("asteri-hanging", 50)},
	},
	{
		id: "scrape-many", title: "Status of 10,000 connections and 64 workers", idle: true, load: load.Spec{Connections: 10000},
		scrape: []string{"/asteri-status.json"}, servers: []string{"asteri-64-workers"},
		targets: []report.Target{tells("asteri-64-workers", 20)},
	},
}
