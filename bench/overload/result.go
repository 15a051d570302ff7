package main

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/asteri/asteri-loop/bench/overload/attack"
	"github.com/asteri/asteri-loop/bench/report"
)

// The targets.
const (
	memoryLimit   = 1.2 // times the budget, beyond the memory at rest
	livezLimit    = 100 // milliseconds, 99 of 100
	honestLimit   = 1000
	recoveryLimit = 2 // seconds
)

// results is one run of all.
type results struct {
	Date     string        `json:"date"`
	Command  string        `json:"command"`
	Revision string        `json:"revision"`
	Seconds  float64       `json:"seconds"` // of an attack
	Machine  []report.Fact `json:"machine"`
	Results  []result      `json:"results"`
}

// result is what one attack did to one server.
type result struct {
	Attack  string       `json:"attack"`
	Title   string       `json:"title"`
	Server  string       `json:"server"`
	Name    string       `json:"name"`
	Command string       `json:"command"`
	Budget  int64        `json:"budget,omitempty"` // bytes; 0 where a server has none
	Tally   attack.Tally `json:"tally"`
	Seconds float64      `json:"seconds"` // the attack
	// Rest and Peak are the resident memory of the front before and at most; Buffers is
	// the most that it says its buffers held. Bytes.
	Rest    int64     `json:"rest"`
	Peak    int64     `json:"peak"`
	Buffers int64     `json:"buffers,omitempty"`
	Series  []outcome `json:"series"`
	// Recovery is in seconds after the attack.
	Recovery  float64 `json:"recovery"`
	Recovered bool    `json:"recovered"`
	Last      string  `json:"last,omitempty"`    // what was as before last
	Stopped   string  `json:"stopped,omitempty"` // why the attack did not last its time
	Problem   string  `json:"problem,omitempty"` // why there are no figures
}

// outcome is a series in two phases.
type outcome struct {
	Name   string  `json:"name"`
	Group  group   `json:"group"`
	Rest   summary `json:"rest"`
	Attack summary `json:"attack"`
}

// worst is the slowest series of a group during the attack, with all its failures.
func (r result) worst(g group) summary {
	var w summary
	for _, o := range r.Series {
		if o.Group != g {
			continue
		}
		w.Asked += o.Attack.Asked
		w.Failed += o.Attack.Failed
		w.P50, w.P99, w.Max = max(w.P50, o.Attack.P50), max(w.P99, o.Attack.P99), max(w.Max, o.Attack.Max)
	}
	return w
}

// atRest is what 99 of 100 requests of any kind took before the attack, in milliseconds.
func (r result) atRest() float64 {
	var most float64
	for _, o := range r.Series {
		most = max(most, o.Rest.P99)
	}
	return most
}

// grown is the memory that the attack has cost, in bytes.
func (r result) grown() int64 { return r.Peak - r.Rest }

func (r result) memoryMet() bool {
	return r.Stopped == "" && float64(r.grown()) <= memoryLimit*float64(r.Budget)
}

func (r result) livezMet() bool { return r.worst(livez).P99 < livezLimit }

func (r result) honestMet() bool { return r.worst(honest).P99 < honestLimit }

func (r result) unfailing() bool { return r.worst(honest).Failed == 0 }

func (r result) recoveryMet() bool { return r.Recovered && r.Recovery <= recoveryLimit }

// met reports whether all targets of one of our servers are.
func (r result) met() bool {
	return r.Problem == "" && r.memoryMet() && r.livezMet() && r.honestMet() && r.unfailing() && r.recoveryMet()
}

// count returns in how many runs of our servers all targets are met, and how many
// there are.
func (r results) count() (met, all int) {
	for _, one := range r.Results {
		if one.Server == "nginx" {
			continue
		}
		all++
		if one.met() {
			met++
		}
	}
	return met, all
}

// complete reports whether there are figures of every attack.
func (r results) complete() bool {
	return !slices.ContainsFunc(r.Results, func(one result) bool { return one.Problem != "" })
}

func (r results) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
