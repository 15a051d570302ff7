// Package clients is what our own load generators share: their flags, their
// clock and the summary that they print for package load.
package clients

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/bench/load"
)

// Load is what the command line asks for.
type Load struct {
	Connections, Streams int
	Duration             time.Duration
	URL                  string
}

// setup is how long the connections may take to be opened.
const setup = 10 * time.Second

// Open opens connection i and returns what each of its streams does over and
// over, and how it is closed.
type Open func(ctx context.Context, l Load) (once func() error, closing func(), err error)

// Main runs a load and prints its summary.
func Main(open Open) {
	l := Load{}
	flag.IntVar(&l.Connections, "c", 1, "connections")
	flag.IntVar(&l.Streams, "m", 1, "requests at a time on a connection")
	flag.DurationVar(&l.Duration, "d", time.Second, "duration")
	flag.Parse()
	l.URL = flag.Arg(0)
	summary, err := run(l, open)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(summary)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tally is what one stream counted.
type tally struct {
	good, bad int64
	took      []time.Duration
}

func run(l Load, open Open) (load.Summary, error) {
	ctx, cancel := context.WithTimeout(context.Background(), setup)
	defer cancel()
	work := make([]func() error, 0, l.Connections)
	closings := make([]func(), 0, l.Connections)
	defer func() {
		for _, closing := range closings {
			closing()
		}
	}()
	for range l.Connections {
		once, closing, err := open(ctx, l)
		if err != nil {
			return load.Summary{}, err
		}
		closings = append(closings, closing)
		work = append(work, once)
	}
	tallies := make([]tally, l.Connections*l.Streams)
	begin := time.Now()
	end := begin.Add(l.Duration)
	var streams sync.WaitGroup
	for i := range tallies {
		streams.Go(func() { tallies[i].repeat(work[i/l.Streams], end) })
	}
	streams.Wait()
	return summarize(tallies, time.Since(begin)), nil
}

// repeat does its work until the time is over, or until it fails: a connection
// is not opened anew.
func (t *tally) repeat(once func() error, end time.Time) {
	for last := time.Now(); last.Before(end); {
		if once() != nil {
			t.bad++
			return
		}
		now := time.Now()
		t.good++
		t.took = append(t.took, now.Sub(last))
		last = now
	}
}

func summarize(tallies []tally, elapsed time.Duration) load.Summary {
	s := load.Summary{DurationUS: elapsed.Microseconds()}
	var took []time.Duration
	for _, t := range tallies {
		s.Requests += t.good
		s.Read += t.bad
		took = append(took, t.took...)
	}
	if n := len(took); n > 0 {
		slices.Sort(took)
		s.P50US, s.P99US = took[n/2].Microseconds(), took[n*99/100].Microseconds()
	}
	return s
}
