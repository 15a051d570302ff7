package python

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// interpreter finds the Python to run.
func (c *Config) interpreter() (string, error) {
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

// warnOfEnvironments says which virtual environments are there, or should be, and are not
// used: the application would miss its libraries without a word.
func (c *Config) warnOfEnvironments() {
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
			c.Logger.Warn("A virtual environment cannot be used", "environment", env, "named_by_virtual_env", named, "error", err)
		}
	}
}

// environments returns the virtual environments to look at, best first.
func (c *Config) environments() []string {
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

// environ returns the environment of a worker.
func (c *Config) environ() []string {
	inherited := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(own, name)
	})
	return append(inherited, c.Env...)
}
