// Command overload attacks the server in the ways that have brought it down, and
// measures what is left for others: probes, honest clients, memory, and the time
// until all is as before. It writes a page with verdicts to bench/results.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/overload/attack"
	"github.com/asteri/asteri-loop/bench/proctree"
	"github.com/asteri/asteri-loop/bench/testbed"
)

const (
	// attackCommand is the first argument of a process that attacks; its plan follows.
	attackCommand = "attack"
	// attackGrace is how long an attack may take to end.
	attackGrace = 3 * time.Second
)

// options are the flags.
type options struct {
	out, binary, python, attacks, servers string
	budgets                               []int64
	duration                              time.Duration
	list                                  bool
}

func main() {
	testbed.Main("overload", func(ctx context.Context, args []string, out io.Writer) error {
		if len(args) == 2 && args[0] == attackCommand {
			return makeAttack(ctx, args[1], out)
		}
		return run(ctx, args, out)
	})
}

// makeAttack is what a process does that was started to attack.
func makeAttack(ctx context.Context, plan string, out io.Writer) error {
	var p attack.Plan
	if err := json.Unmarshal([]byte(plan), &p); err != nil {
		return err
	}
	time.AfterFunc(p.Duration+attackGrace, func() {
		fmt.Fprintln(os.Stderr, "overload: an attack did not end by itself")
		os.Exit(1)
	})
	tally, err := attack.Run(ctx, p)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(tally)
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	chosen, err := choose(o.attacks, o.servers)
	if err != nil {
		return err
	}
	if o.list {
		for _, c := range chosen {
			if _, err := fmt.Fprintf(stdout, "%-16s %-6s %s\n", c.attack, c.server, c.title); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := measure(ctx, o, chosen, strings.TrimSpace("go run ./bench/overload "+strings.Join(args, " ")))
	if err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{"overload.md": all.writePage, "overload.json": all.writeJSON} {
		if err := testbed.WriteFile(filepath.Join(o.out, name), write); err != nil {
			return err
		}
	}
	var table strings.Builder
	all.writeTable(&table)
	if _, err := fmt.Fprintf(stdout, "%s\nwritten: %s\n", table.String(), filepath.Join(o.out, "overload.md")); err != nil {
		return err
	}
	if !all.complete() {
		return errors.New("some attacks gave no figures; the page says which and why")
	}
	return nil
}

func parse(args []string) (options, error) {
	var o options
	var budgets string
	f := flag.NewFlagSet("overload", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "bench/results", "`folder` for overload.md and overload.json")
	f.StringVar(&o.attacks, "attack", "", "make only these attacks, by `id,id...`; see -list")
	f.StringVar(&o.servers, "server", "", "attack only these servers: `go,wsgi,asgi,nginx`")
	f.StringVar(&budgets, "budget", "64,256", "buffer budgets of the server, `MiB,MiB...`")
	f.StringVar(&o.binary, "asteri", "", "attack this asteri-loop `binary` instead of building ./cmd/asteri-loop")
	f.StringVar(&o.python, "python", "", "the Python `interpreter` of the application (default $PYTHON or python3)")
	f.DurationVar(&o.duration, "duration", 4*time.Second, "time of one attack once all its connections stand, a minute at most")
	f.BoolVar(&o.list, "list", false, "list the attacks and leave")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	python, err := absolute(cmp.Or(o.python, os.Getenv("PYTHON"), "python3"))
	if err != nil {
		return o, err
	}
	o.python = python
	for text := range strings.SplitSeq(budgets, ",") {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-budget %q: whole MiB, separated by commas", budgets)
		}
		o.budgets = append(o.budgets, n<<20)
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.duration < time.Second || o.duration > time.Minute:
		return o, fmt.Errorf("-duration %v: from a second to a minute", o.duration)
	}
	return o, nil
}

// absolute makes a path one that holds in any folder; a mere name stays.
func absolute(program string) (string, error) {
	if !strings.ContainsRune(program, filepath.Separator) {
		return program, nil
	}
	return filepath.Abs(program)
}

// measure runs the cases: ours with each budget, others once.
func measure(ctx context.Context, o options, chosen []overloadCase, command string) (results, error) {
	limit, err := testbed.RaiseFileLimit()
	if err != nil {
		return results{}, fmt.Errorf("open files: %w", err)
	}
	if err := proctree.AdoptOrphans(); err != nil {
		return results{}, fmt.Errorf("adopting orphans (Linux only): %w", err)
	}
	root, err := testbed.ModuleRoot(ctx)
	if err != nil {
		return results{}, err
	}
	tmp, err := os.MkdirTemp("", "asteri-overload-")
	if err != nil {
		return results{}, err
	}
	defer os.RemoveAll(tmp)
	at, err := prepare(ctx, root, tmp, o)
	if err != nil {
		return results{}, err
	}
	all := results{
		Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), Command: command, Revision: testbed.Revision(ctx, root),
		Seconds: o.duration.Seconds(), Machine: testbed.Machine(ctx),
	}
	r := runner{place: at, duration: o.duration}
	for _, c := range chosen {
		budgets := o.budgets
		if c.server == "nginx" {
			if _, err := exec.LookPath("nginx"); err != nil {
				slog.Warn("nginx is not here: scripts/proxies.sh installs it")
				continue
			}
			budgets = []int64{0}
		}
		for _, budget := range budgets {
			one, err := r.run(ctx, c.within(limit), budget)
			if ctx.Err() != nil {
				return all, context.Cause(ctx)
			}
			if err != nil {
				one.Problem = err.Error()
			}
			all.Results = append(all.Results, one)
			slog.Info("attacked", "attack", one.Attack, "server", one.Server, "budget", one.budget(), "result", strings.Join(one.cells(), " | "), "problem", one.Problem)
		}
	}
	return all, nil
}

// prepare builds the server and makes a certificate.
func prepare(ctx context.Context, root, tmp string, o options) (place, error) {
	at := place{
		binary: filepath.Join(tmp, "asteri-loop"), python: o.python, apps: filepath.Join(root, "bench", "overload", "apps"), tmp: tmp,
		cert: filepath.Join(tmp, "cert.pem"), key: filepath.Join(tmp, "key.pem"),
	}
	if err := testbed.Server(ctx, root, o.binary, at.binary); err != nil {
		return at, err
	}
	return at, testbed.WriteCertificate(at.cert, at.key)
}
