package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peer is a server, and how it is replaced by a new one.
type peer struct {
	name    string
	argv    []string // $PORT is where, $DIR what it may use, $PYTHON the environment
	loads   []string
	replace func(ctx context.Context, b *bed, p peer, broken bool) error
}

var peers = []peer{
	{
		"asteri-loop",
		[]string{"$DIR/server", "-b", "127.0.0.1:$PORT", "--protocols", "http,https", "--http-protocols", "h1,h2,h3", "--control-socket", "$DIR/c.sock",
			"--python", "$PYTHON", "-w", "2", "--max-requests", "5000", "--websocket-linger", "1s", "app:asgi"},
		[]string{"h1", "https", "h2", "h3", "websocket", "metrics"}, viaCtl,
	},
	{
		"gunicorn", []string{"gunicorn", "-b", "127.0.0.1:$PORT", "-k", "gthread", "--threads", "4", "-w", "2", "--max-requests", "5000", "--pid", "$DIR/pid", "-c", "$DIR/conf.py", "app:wsgi"},
		[]string{"h1"}, byUSR2,
	},
	{
		"uvicorn", []string{"uvicorn", "--port", "$PORT", "--workers", "2", "--limit-max-requests", "5000", "--no-access-log", "app:asgi"},
		[]string{"h1", "websocket"}, byRestart,
	},
	{
		"granian", []string{"granian", "--interface", "asgi", "--port", "$PORT", "--workers", "2", "--no-access-log", "--respawn-failed-workers", "app:asgi"},
		[]string{"h1", "websocket"}, byRestart,
	},
}

// replaceTimeout is for a new process to serve, and the old one to end.
const replaceTimeout = 40 * time.Second

// viaCtl has the server upgrade itself; a program that cannot start has to be refused.
func viaCtl(ctx context.Context, b *bed, _ peer, broken bool) error {
	if broken {
		err := errors.Join(os.WriteFile(b.program+".new", []byte("#!/bin/sh\nexit 1\n"), 0o755), os.Rename(b.program+".new", b.program))
		if err != nil {
			return err
		}
		defer func() { _ = b.install() }() // what fails shows in the next upgrade
	}
	ctx, cancel := context.WithTimeout(ctx, replaceTimeout)
	defer cancel()
	for {
		text, err := exec.CommandContext(ctx, b.binary, "ctl", "--control-socket", filepath.Join(b.dir, "c.sock"), "upgrade").CombinedOutput()
		switch {
		case bytes.Contains(text, []byte("still drains")):
			time.Sleep(200 * time.Millisecond)
			continue
		case broken && err == nil:
			return fmt.Errorf("a broken program has taken over: %s", text)
		case broken:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %s", err, text)
		}
		_, err = fmt.Sscanf(string(text), "Process %d serves.", &b.main)
		return err
	}
}

// byUSR2 is what gunicorn's documentation says: a new process beside the old one, which is
// told to end once the new one has workers. It cannot say when that is.
func byUSR2(ctx context.Context, b *bed, _ peer, isBroken bool) error {
	if isBroken {
		mark := filepath.Join(b.dir, "broken")
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return err
		}
		defer os.Remove(mark)
	}
	if err := syscall.Kill(b.main, syscall.SIGUSR2); err != nil {
		return err
	}
	if isBroken {
		time.Sleep(2 * time.Second)
		return nil
	}
	name := filepath.Join(b.dir, "pid")
	for deadline := time.Now().Add(replaceTimeout); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(name + ".2")
		pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || bad != nil || len(children(pid)) < 2 {
			continue
		}
		time.Sleep(time.Second) // for the import
		old := b.main
		b.main = pid
		return syscall.Kill(old, syscall.SIGTERM)
	}
	return errors.New("no new process has come")
}

// byRestart ends the server and starts it again, which is all that it can. It would not come
// back from a broken one at all: so that is left out.
func byRestart(ctx context.Context, b *bed, p peer, broken bool) error {
	if broken {
		return nil
	}
	if err := syscall.Kill(b.main, syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-b.first.Ended:
	case <-time.After(replaceTimeout):
		return errors.New("it does not end")
	}
	return b.start(ctx, p)
}

// killWorker kills one of the workers, as the kernel does when memory is short.
func (b *bed) killWorker() error {
	for _, pid := range children(b.main) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // one that has ended has none
		if bytes.Contains(line, []byte("resource_tracker")) || bytes.Contains(line, []byte(b.program)) {
			continue
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return nil // they are just being started
}

// children are the child processes of one.
func children(pid int) (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, name := range tasks {
		text, _ := os.ReadFile(name) // of a thread that has ended there are none
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
