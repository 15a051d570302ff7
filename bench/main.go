// Command bench compares asteri-loop with other servers on this machine: it
// starts one server after the other, loads each with wrk or ab, and writes
// medians, ratios and verdicts to bench/results. README.md beside it says more.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/proctree"
	"github.com/asteri/asteri-loop/bench/report"
	"github.com/asteri/asteri-loop/bench/testbed"
)

// options are the flags.
type options struct {
	out      string
	cases    string
	binary   string
	before   string
	rounds   int
	duration time.Duration
	busy     int
	quick    bool
	list     bool
}

func main() { testbed.Main("bench", run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.list {
		return list(stdout)
	}
	chosen, err := choose(o.cases, o.quick)
	if err != nil {
		return err
	}
	if o.before != "" {
		for i, c := range chosen {
			chosen[i] = c.against()
		}
		chosen = slices.DeleteFunc(chosen, func(c benchCase) bool { return len(c.servers) == 0 })
	}
	rep, err := compare(ctx, o, chosen, "go run ./bench "+strings.Join(args, " "))
	if err != nil {
		return err
	}
	if err := write(o.out, rep); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "written: %s\n", filepath.Join(o.out, "results.md"))
	if !rep.Complete() {
		return errors.New("some servers gave no figures; the page says which and why")
	}
	return nil
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "bench/results", "`folder` for results.md, results.json and results.svg")
	f.StringVar(&o.cases, "case", "", "run only these cases, by `id,id...`; see -list")
	f.StringVar(&o.binary, "asteri", "", "measure this asteri-loop `binary` instead of building ./cmd/asteri-loop")
	f.StringVar(&o.before, "against", "", "compare our servers with this earlier `binary` of asteri-loop, and with no other server")
	f.IntVar(&o.rounds, "rounds", 0, "samples of each server (default 5, with -quick 3)")
	f.DurationVar(&o.duration, "duration", 0, "time of one load, whole seconds (default 4s, with -quick 2s)")
	f.IntVar(&o.busy, "busy", 0, "have so many other processes compute all the time, beside whatever is measured")
	f.BoolVar(&o.quick, "quick", false, "fewer, shorter rounds, and only the cases and servers that targets name")
	f.BoolVar(&o.list, "list", false, "list the cases and leave")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	rounds, duration := 5, 4*time.Second
	if o.quick {
		rounds, duration = 3, 2*time.Second
	}
	o.rounds, o.duration = cmp.Or(o.rounds, rounds), cmp.Or(o.duration, duration)
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.busy < 0:
		return o, fmt.Errorf("-busy %d: at least 0", o.busy)
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds %d: at least 1", o.rounds)
	case o.duration < time.Second || o.duration%time.Second != 0:
		return o, fmt.Errorf("-duration %v: whole seconds, as the load generators count", o.duration)
	}
	return o, nil
}

// choose returns the cases with these ids; for "" all, or with quick those that
// have targets.
func choose(ids string, quick bool) ([]benchCase, error) {
	if ids == "" {
		return slices.DeleteFunc(slices.Clone(cases), func(c benchCase) bool { return quick && len(c.targets) == 0 }), nil
	}
	var chosen []benchCase
	for id := range strings.SplitSeq(ids, ",") {
		at := slices.IndexFunc(cases, func(c benchCase) bool { return c.id == id })
		if at < 0 {
			return nil, fmt.Errorf("no case is called %q; -list names them", id)
		}
		chosen = append(chosen, cases[at])
	}
	return chosen, nil
}

func list(w io.Writer) error {
	for _, c := range cases {
		if _, err := fmt.Fprintf(w, "%-14s %s: %s; %s\n", c.id, c.title, c.describe(), strings.Join(c.servers, " ")); err != nil {
			return err
		}
	}
	return nil
}

// compare measures the cases.
func compare(ctx context.Context, o options, chosen []benchCase, command string) (report.Report, error) {
	if err := checkTools(); err != nil {
		return report.Report{}, err
	}
	root, err := testbed.ModuleRoot(ctx)
	if err != nil {
		return report.Report{}, err
	}
	tmp, err := os.MkdirTemp("", "asteri-bench-")
	if err != nil {
		return report.Report{}, err
	}
	defer os.RemoveAll(tmp)
	place, err := prepare(ctx, root, tmp, o)
	if err != nil {
		return report.Report{}, err
	}
	collector := newCollector()
	defer collector.Close()
	place.Collector = collector.URL
	neighbours, err := keepBusy(ctx, o.busy)
	if err != nil {
		return report.Report{}, err
	}
	defer neighbours.end()
	rep := report.Report{
		Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), Command: command, Revision: testbed.Revision(ctx, root),
		Rounds: o.rounds, Seconds: o.duration.Seconds(),
		Machine: append(testbed.Machine(ctx), neighbours.fact()), Versions: versions(ctx, root, place),
	}
	r := runner{
		place: place, gen: load.Generator{Script: filepath.Join(place.Dir, "wrk.lua"), Bin: place.Bin},
		rounds: o.rounds, duration: o.duration, all: !o.quick,
	}
	for _, c := range chosen {
		done, err := r.run(ctx, c)
		if err != nil {
			return rep, err
		}
		rep.Cases = append(rep.Cases, done)
	}
	return rep, nil
}

// checkTools sees that this system can measure at all.
func checkTools() error {
	for _, tool := range []string{"wrk", "ab", "h2load"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w; bench/deps.sh installs what is missing", err)
		}
	}
	if _, err := testbed.RaiseFileLimit(); err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	if err := proctree.AdoptOrphans(); err != nil {
		return fmt.Errorf("adopting orphans (Linux only): %w", err)
	}
	return nil
}

// write leaves the report in folder dir.
func write(dir string, rep report.Report) error {
	const chart = "results.svg"
	for name, to := range map[string]func(io.Writer) error{
		"results.json": rep.WriteJSON,
		"results.md":   func(w io.Writer) error { return rep.WriteMarkdown(w, chart) },
		chart:          rep.WriteChart,
	} {
		if err := testbed.WriteFile(filepath.Join(dir, name), to); err != nil {
			return err
		}
	}
	return nil
}
