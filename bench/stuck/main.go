// Command stuck measures what requests notice of a worker that is stuck: the latency of
// others with two workers, both of which are well at first; then one request after the
// other blocks one of them. It fails if 99 of 100 requests take more than three times as
// long then.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/testbed"
)

//go:embed app.py
var application []byte

// limit is how many times as long 99 of 100 requests may take beside a stuck worker.
const limit = 3

// options are the flags.
type options struct {
	binary, python, models string
	connections, rounds    int
	duration, block        time.Duration
}

func main() { testbed.Main("stuck", run) }

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("stuck", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "", "the server's `path`; without it the tree is built")
	f.StringVar(&o.python, "python", "", "the Python `interpreter` of the application (default $PYTHON or python3)")
	f.StringVar(&o.models, "models", "sync,asgi", "worker `models`, separated by commas; gthread (of one thread), gevent, tornado and gtornado serve WSGI")
	f.IntVar(&o.connections, "connections", 64, "how many `connections` ask for what is quick")
	f.DurationVar(&o.duration, "duration", 6*time.Second, "how long each is measured")
	f.DurationVar(&o.block, "block", 3*time.Second, "how long a request blocks its worker")
	f.IntVar(&o.rounds, "rounds", 3, "how many `times` each is measured; the median counts")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.python = cmp.Or(o.python, os.Getenv("PYTHON"), "python3")
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	at, err := testbed.Prepare(ctx, "asteri-stuck-", o.binary)
	if err != nil {
		return err
	}
	defer os.RemoveAll(at.Tmp)
	if err := os.WriteFile(filepath.Join(at.Tmp, "app.py"), application, 0o600); err != nil {
		return err
	}
	o.binary = at.Binary
	var failed []string
	for model := range strings.SplitSeq(o.models, ",") {
		ratio, err := o.measure(ctx, model, at.Tmp, out)
		if err != nil {
			return fmt.Errorf("%s: %w", model, err)
		}
		if ratio > limit {
			failed = append(failed, fmt.Sprintf("%s (%.1f times)", model, ratio))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("99 of 100 requests take more than %d times as long beside a stuck worker: %s", limit, strings.Join(failed, ", "))
	}
	return nil
}

// measure starts a server with two workers and prints what its clients notice. It returns
// by how much the time of 99 of 100 requests has grown.
func (o *options) measure(ctx context.Context, model, tmp string, out io.Writer) (ratio float64, err error) {
	address := filepath.Join(tmp, model+".sock")
	app := "app:wsgi"
	if model == "asgi" {
		app = "app:asgi"
	}
	p, err := testbed.Start([]string{
		o.binary, "--python", o.python, "--chdir", tmp, app, "-w", model + ":2", "-b", "unix:" + address,
		"--graceful-timeout", "1", "--log-level", "warning",
	}, tmp, filepath.Join(tmp, model+".log"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Stop(5*time.Second)) }()
	if err := p.Ready(ctx, func(ctx context.Context) error { return askOnce(ctx, address) }); err != nil {
		return 0, err
	}
	l := load{address: address, connections: o.connections}
	if _, err := l.run(ctx, o.duration/3, 0); err != nil { // to warm up
		return 0, p.Explain(err)
	}
	var well, beside []times
	for range o.rounds {
		for _, block := range []time.Duration{0, o.block} {
			got, err := l.run(ctx, o.duration, block)
			if err != nil {
				return 0, p.Explain(err)
			}
			if block == 0 {
				well = append(well, got)
			} else {
				beside = append(beside, got)
			}
		}
	}
	before, after := median(well), median(beside)
	ratio = float64(after.p99) / float64(before.p99)
	fmt.Fprintf(out, "%-9s both well: %v\n%-9s one stuck: %v; p99 %.1f times\n", model, before, "", after, ratio)
	return ratio, nil
}
