package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop/bench/proctree"
)

// StartTimeout bounds the time from the start to the first right answer.
const StartTimeout = 30 * time.Second

// Process is a server that runs, with its descendants.
type Process struct {
	PID   int
	Ended <-chan struct{} // closed when the first process has been waited for
	log   string
}

// Start runs a command in folder dir as the leader of a session, by which its
// descendants are known even when they lose their parents. What it prints goes into
// the file log.
func Start(argv []string, dir, log string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return &Process{PID: cmd.Process.Pid, Ended: ended, log: log}, nil
}

// Ready asks again and again until check is content, for StartTimeout at most.
func (p *Process) Ready(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.Ended:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-tick.C:
		}
	}
}

// Stop ends the whole tree: with SIGTERM, and after grace with SIGKILL.
func (p *Process) Stop(grace time.Duration) error { return proctree.Stop(p.PID, grace) }

// Explain adds the end of what the server printed to an error.
func (p *Process) Explain(err error) error {
	b, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return err
	}
	return fmt.Errorf("%w; its log ends: %s", err, text[max(0, len(text)-1000):])
}
