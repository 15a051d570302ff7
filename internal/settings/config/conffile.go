package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/gunicorn"
	"github.com/asteri/asteri-loop/internal/settings/suggest"
	"github.com/asteri/asteri-loop/workers/python"
)

// The files that are read if no other is named.
const (
	ownFile      = "asteri.toml"
	gunicornFile = "gunicorn.conf.py"
)

// isPython tells whether a configuration file is Python, by its name: gunicorn takes all of its files for it.
func (c *Config) isPython(name string) bool {
	for _, prefix := range []string{"python:", "file:"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	ext := filepath.Ext(name)
	return ext == ".py" || ext == ".pyc" || c.gunicorn && ext != ".toml"
}

// choose returns the configuration file to read, empty for none. asteri.toml was written for this server, and goes
// before gunicorn.conf.py; gunicorn's command line knows the latter only.
func (c *Config) choose(layers ...assignments) (name string, given bool) {
	for _, layer := range layers {
		if v, ok := layer["config"]; ok {
			return v.values[0], true
		}
	}
	own, theirs := c.isThere(ownFile), c.isThere(gunicornFile)
	switch {
	case own && !c.gunicorn:
		if theirs {
			c.Warnings = append(c.Warnings, gunicornFile+" is not read, as there is "+ownFile+"; -c "+gunicornFile+" reads it")
		}
		return ownFile, false
	case own:
		c.Warnings = append(c.Warnings, ownFile+" is not read: this is gunicorn's command line; -c "+ownFile+" reads it")
	}
	if theirs {
		return gunicornFile, false
	}
	return "", false
}

func (c *Config) isThere(name string) bool {
	_, err := os.Stat(c.resolve(name))
	return err == nil
}

// readConf executes a gunicorn.conf.py by the interpreter that workers have by what is known before. Whoever
// has the settings then closes c.Conf.
func (c *Config) readConf(location string, known assignments) (assignments, error) {
	if !strings.HasPrefix(location, "python:") {
		file, err := os.Open(c.resolve(strings.TrimPrefix(location, "file:")))
		if err != nil {
			return nil, fmt.Errorf("configuration file: %w", err)
		}
		file.Close()
	}
	early := &Config{dir: c.dir, origins: make(map[string]Origin)}
	if err := early.apply(known); err != nil {
		return nil, err
	}
	early.Python.App = early.App
	early.Python.Interpreter = Interpreter(early.Python.Interpreter)
	early.Python.Chdir = cmp.Or(early.Python.Chdir, c.dir)
	c.confFile = python.ConfFile{
		Location: location, Dir: c.dir, Names: gunicorn.Names(), Hooks: gunicorn.Hooks(),
		Keep: hooksWith(gunicorn.ServerHook), Timeout: early.hookTimeout,
	}
	conf, err := python.OpenConf(early.Python, c.confFile)
	if err != nil {
		return nil, err
	}
	c.Conf, c.File = conf, cmp.Or(conf.Path, location)
	into := make(assignments)
	if err := c.takeConf(location, into); err != nil {
		conf.Close()
		c.Conf = nil
		return nil, err
	}
	return into, nil
}

// Interpreter is the program of a Python that is given as such, or as the directory of a virtual environment.
func Interpreter(given string) string {
	if info, err := os.Stat(given); err == nil && info.IsDir() {
		return filepath.Join(given, "bin", "python")
	}
	return given
}

// hooksWith are the hooks that have a fate.
func hooksWith(fate gunicorn.Fate) (names []string) {
	for i := range gunicorn.Rows {
		if gunicorn.Rows[i].Fate == fate {
			names = append(names, gunicorn.Rows[i].Name)
		}
	}
	return names
}

// takeConf takes what a gunicorn.conf.py says.
func (c *Config) takeConf(file string, into assignments) error {
	var bad []error
	origin := func(name string) Origin {
		return Origin{Layer: File, Name: file + ": " + name, Place: at(file, c.Conf.Lines[name])}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Conf.Values)) {
		bad = append(bad, c.takeGunicorn(gunicorn.Find(name), c.Conf.Values[name], origin(name), into))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Conf.Odd)) {
		row := gunicorn.Find(name)
		if row.Fate == gunicorn.Becomes {
			bad = append(bad, fmt.Errorf("%s: a %s has no meaning here", origin(name).Name, c.Conf.Odd[name]))
			continue
		}
		bad = append(bad, c.takeGunicorn(row, c.Conf.Odd[name], origin(name), into))
	}
	for _, name := range c.Conf.Hooks {
		if row := gunicorn.Find(name); row.Why != "" {
			bad = append(bad, c.takeGunicorn(row, name, origin(name), into))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Conf.Others)) {
		if near := suggest.Nearest(name, gunicorn.Names()); near != "" && c.Conf.Lines[near] == 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: %s is no setting of gunicorn's; did you mean %q?", at(file, c.Conf.Others[name]), name, near))
		}
	}
	return errors.Join(bad...)
}

// at is a line of a file, if that is known.
func at(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// tellWorkers has workers run their hooks, and heed what they are to heed of gunicorn's settings.
func (c *Config) tellWorkers() {
	hooks := slices.ContainsFunc(hooksWith(gunicorn.WorkerHook), c.Conf.Has)
	if !hooks && len(c.carried) == 0 {
		return
	}
	c.Python.Conf = python.WorkerConf(c.confFile, c.GunicornSettings())
}
