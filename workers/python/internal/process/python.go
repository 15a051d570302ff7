package process

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Python says which Python workers run, and with what around it.
type Python struct {
	Interpreter, App, Chdir string   // those of python.Config
	Env                     []string // "NAME=value" additions to the server's own environment
	Log                     *slog.Logger
}

// Find returns the path of the Python to run. The error is a *BootError.
func (c Python) Find() (string, error) {
	if c.Interpreter != "" {
		path, err := exec.LookPath(c.Interpreter)
		if err != nil {
			return "", &BootError{
				Phase: "interpreter", Message: fmt.Sprintf("cannot run %s: %v", c.Interpreter, err),
				Hint: "--python takes the path of a Python 3.9 or later, or a name in PATH",
			}
		}
		return filepath.Abs(path)
	}
	for _, env := range c.environments() {
		python := filepath.Join(env, "bin", "python")
		if _, err := exec.LookPath(python); err == nil {
			return filepath.Abs(python)
		}
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", &BootError{
			Phase: "interpreter", Message: "python3 is not in PATH",
			Hint: "install Python 3.9 or later, or name one with --python",
		}
	}
	return filepath.Abs(path)
}

// WarnOfEnvironments says which virtual environments are there, or should be, and are not
// used: the application would miss its libraries without a word.
func (c Python) WarnOfEnvironments() {
	if c.Interpreter != "" {
		return
	}
	for i, env := range c.environments() {
		python := filepath.Join(env, "bin", "python")
		_, err := exec.LookPath(python)
		if err == nil {
			return
		}
		named := i == 0 && env == os.Getenv("VIRTUAL_ENV")
		if _, missing := os.Stat(env); named || !errors.Is(missing, fs.ErrNotExist) {
			c.Log.Warn("A virtual environment cannot be used", "environment", env, "named_by_virtual_env", named, "error", err)
		}
	}
}

// environments returns the virtual environments to look at, best first.
func (c Python) environments() []string {
	var dirs []string
	if env := os.Getenv("VIRTUAL_ENV"); env != "" {
		dirs = append(dirs, env)
	}
	base := c.Chdir
	if file, _, _ := strings.Cut(c.App, ":"); strings.HasSuffix(file, ".py") {
		if !filepath.IsAbs(file) {
			file = filepath.Join(base, file)
		}
		dirs = append(dirs, filepath.Join(filepath.Dir(file), ".venv"))
	}
	return append(dirs, filepath.Join(base, ".venv"))
}

// own are the variables that are for the front alone: what a service manager tells it,
// whose descriptors a worker does not have, and the key to its status page.
var own = []string{
	"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
	"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "ASTERI_STATUS_TOKEN",
}

// Environ returns the environment of a worker.
func (c Python) Environ() []string {
	inherited := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(own, name)
	})
	return append(inherited, c.Env...)
}
