package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/asteri/asteri-loop/bench/proctree"
	"github.com/asteri/asteri-loop/bench/report"
)

// Whoever else uses the machine is in the figures. Some neighbours are wanted (-busy); a
// sample for which there were others is taken again.

// neighbours are processes that compute all the time.
type neighbours struct{ all []*exec.Cmd }

// keepBusy starts n of them.
func keepBusy(ctx context.Context, n int) (*neighbours, error) {
	var started neighbours
	for range n {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			started.end()
			return nil, err
		}
		started.all = append(started.all, cmd)
	}
	return &started, nil
}

func (n *neighbours) end() {
	for _, cmd := range n.all {
		_ = cmd.Process.Kill() // it does not end by itself
		_ = cmd.Wait()
	}
}

func (n *neighbours) fact() report.Fact {
	return report.Fact{Name: "busy processes beside", Value: strconv.Itoa(len(n.all))}
}

const (
	// noise is the share of all processors that others may use during a sample.
	noise = 0.03
	// quietTries are the tries for a sample without it, and quietWait is between two.
	quietTries = 6
	quietWait  = 5 * time.Second
)

// errNoise says that others used the machine too.
var errNoise = errors.New("other processes were busy")

// quietly takes a sample, again if others used the machine meanwhile.
func quietly(ctx context.Context, take func() error) error {
	for try := 1; ; try++ {
		err := take()
		if try == quietTries || !errors.Is(err, errNoise) {
			return err
		}
		slog.Info("taken again", "error", err)
		select {
		case <-time.After(quietWait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// meanwhile returns how much CPU time processes that are not this one's use while do runs.
func meanwhile(do func() error) (time.Duration, error) {
	before, err := proctree.Others(os.Getpid())
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := proctree.Others(os.Getpid())
	return max(after-before, 0), err
}

// checkNoise returns errNoise, wrapped, if others used too much in a time.
func checkNoise(others, elapsed time.Duration) error {
	if share := others.Seconds() / (elapsed.Seconds() * float64(runtime.NumCPU())); share > noise {
		return fmt.Errorf("%w: %.0f %% of the processors", errNoise, 100*share)
	}
	return nil
}
