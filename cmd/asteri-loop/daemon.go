package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/notify"
)

// daemonVariable tells the process that is to leave the terminal by which descriptor it says
// that it is ready.
const daemonVariable = "_ASTERI_LOOP_READY"

// daemon is the server's end of the pipe to who has started it; nil if it stays at the
// terminal.
type daemon struct{ ready *os.File }

// takeDaemon returns what this process is as a daemon, and forgets how it knows.
func takeDaemon() *daemon {
	fd, err := strconv.Atoi(os.Getenv(daemonVariable))
	_ = os.Unsetenv(daemonVariable) // never fails on Unix
	if err != nil {
		return nil
	}
	return &daemon{os.NewFile(uintptr(fd), "ready")}
}

// checkDaemon tells what a daemon cannot have.
func checkDaemon(cfg *config.Config) error {
	name := cfg.Origin("daemon").Name
	switch {
	case notify.Listening() || os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()):
		return errors.New(name + ": a service manager watches the process that it has started: leave it out")
	case cfg.Python.KeepOutput:
		return errors.New(name + ": needs --capture-output on: nobody is there to read what workers print")
	}
	return nil
}

// startDaemon starts this program once more, in a session of its own, and returns the exit
// status: once the server is ready, or that of its failure, which it tells on this terminal.
// Go has threads from the start, and so cannot fork.
func startDaemon(cfg *config.Config) int {
	if err := checkDaemon(cfg); err != nil {
		return complain(exitUsage, err)
	}
	cmd, ready, err := detached()
	if err != nil {
		return complain(exitFailure, err)
	}
	defer ready.Close() // only read
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	go func() {
		for sig := range signals {
			if sig == syscall.SIGHUP {
				sig = syscall.SIGTERM // the terminal has gone before it was ready
			}
			_ = cmd.Process.Signal(sig) // it may have ended
		}
	}()
	// Whatever hangs in a start has its time there.
	if n, _ := ready.Read(make([]byte, 1)); n == 1 { // at its end there is none
		return exitOK
	}
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		if cfg.ErrorLogfile != "-" { // there it has said why, unless it did before there was a log
			fmt.Fprintln(os.Stderr, "asteri-loop: the server has not started: what is not above is in "+cfg.ErrorLogfile)
		}
		return exit.ExitCode()
	case err != nil:
		return complain(exitFailure, fmt.Errorf("the server ended before it was ready: %w", err))
	}
	return exitOK // it was told to stop
}

// detached starts the process, and returns the end of the pipe by which it tells.
func detached() (*exec.Cmd, *os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()                           // the process has its own
	const first = 3                           // descriptor of ExtraFiles
	cmd := exec.Command(self, os.Args[1:]...) //nolint:gosec // this program, as it was started
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), daemonVariable+"="+strconv.Itoa(first))
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = r.Close()
		return nil, nil, err
	}
	return cmd, r, nil
}

// leave lets the terminal go, as the server is ready.
func (d *daemon) leave() error {
	if d == nil {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close() // it is open three times more
	for fd := range 3 {
		if err := descriptors.Replace(fd, int(null.Fd())); err != nil {
			return err
		}
	}
	_, err = d.ready.Write([]byte{1})
	return errors.Join(err, d.ready.Close())
}
