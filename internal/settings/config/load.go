package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Input is where settings come from.
type Input struct {
	// Args is the command line without the program's name.
	Args []string
	// Environ is the environment, as os.Environ returns it.
	Environ []string
	// Dir is the absolute directory that the configuration file and --chdir
	// are relative to.
	Dir string
}

// assigned is what a source said of one setting.
type assigned struct {
	values []string
	origin Origin
}

// assignments holds what one layer said of each setting, by the setting's name.
type assignments map[string]assigned

// add records values of s, or of the settings that they stand for.
func (a assignments) add(s *setting, origin Origin, values ...string) error {
	for _, v := range values {
		if s.expand != nil {
			others, err := s.expand(v)
			if err != nil {
				return invalid(origin, v, err)
			}
			for _, o := range others {
				if err := a.put(find(o.name), origin, o.value); err != nil {
					return err
				}
			}
			if others != nil {
				continue
			}
		}
		if err := a.put(s, origin, v); err != nil {
			return err
		}
	}
	if len(values) == 0 { // an empty list in the file overrides the default
		a[s.Name] = assigned{origin: origin}
	}
	return nil
}

// put records one value. A repeated option replaces what it said before, but two
// names for one setting must not contradict each other.
func (a assignments) put(s *setting, origin Origin, v string) error {
	had := a[s.Name]
	if !s.Many {
		if len(had.values) > 0 && had.origin.Name != origin.Name && had.values[0] != v {
			return fmt.Errorf("%s: %q contradicts %s, which says %q", origin.Name, v, had.origin.Name, had.values[0])
		}
		had.values = nil
	}
	a[s.Name] = assigned{append(had.values, v), origin}
	return nil
}

// Load reads all sources and returns the settings they add up to. Its errors
// name the source, the value and what is allowed. Files other than the
// configuration file are not opened.
func Load(in Input) (*Config, error) {
	c := &Config{dir: in.Dir, origins: make(map[string]Origin)}
	args, dev := developing(words(in.Args))
	options, err := parseArgs(args)
	if wanted := wantsHelp(options); wanted != nil {
		return c, c.apply(wanted)
	}
	if err != nil {
		return nil, errors.Join(err, c.apply(options))
	}
	variables := make(assignments)
	if c.Warnings, err = readEnvironment(in.Environ, variables); err != nil {
		return nil, err
	}
	path, given := configPath(options, variables)
	all, file, err := readFile(c.resolve(path), path, given)
	if err != nil {
		return nil, err
	}
	implied := make(assignments)
	if dev {
		implied = devAssignments()
	}
	for _, layer := range []assignments{variables, implied, options} {
		for name, v := range layer {
			all[name] = v
		}
	}
	if err := c.apply(all); err != nil {
		return nil, err
	}
	c.File = file
	c.warnOfGunicorn(in)
	return c, c.complete()
}

// ControlSocket returns the path that a server with these sources has for its control
// socket; empty for none. Mistakes in other settings are the server's affair.
func ControlSocket(in Input) (string, error) {
	options, err := parseArgs(in.Args)
	if err != nil {
		return "", err
	}
	variables := make(assignments)
	_, _ = readEnvironment(in.Environ, variables)
	c := &Config{dir: in.Dir, origins: make(map[string]Origin)}
	s := find("control_socket")
	for _, layer := range []assignments{options, variables} {
		if v, ok := layer[s.Name]; ok {
			err := s.at(c).Set(v.values[0])
			return c.Server.Control.Socket, err
		}
	}
	path, given := configPath(options, variables)
	all, _, err := readFile(c.resolve(path), path, given)
	if v, ok := all[s.Name]; ok && len(v.values) > 0 {
		err = s.at(c).Set(v.values[0])
	}
	return c.Server.Control.Socket, err
}

// words takes the first argument for an option if it is what people type who look for
// it: version, or help TOPIC. The TOPIC behind --help becomes the option's value.
func words(args []string) []string {
	switch {
	case len(args) == 1 && args[0] == "version":
		return []string{"--version"}
	case len(args) > 1 && args[0] == "help":
		return []string{"--help=" + args[1]}
	case len(args) == 1 && args[0] == "help":
		return []string{"--help"}
	}
	for i, arg := range args[:max(len(args)-1, 0)] {
		switch {
		case arg == "--":
			return args
		case (arg == "-h" || arg == "--help") && !strings.HasPrefix(args[i+1], "-"):
			return slices.Concat(args[:i], []string{"--help=" + args[i+1]}, args[i+2:])
		}
	}
	return args
}

// warnOfGunicorn says which settings of gunicorn's are there that are not read: who comes
// from it would take them for granted.
func (c *Config) warnOfGunicorn(in Input) {
	if slices.ContainsFunc(in.Environ, func(kv string) bool { v, ok := strings.CutPrefix(kv, "GUNICORN_CMD_ARGS="); return ok && v != "" }) {
		c.Warnings = append(c.Warnings, "environment variable GUNICORN_CMD_ARGS is not used: give its options on the command line, or as ASTERI_ variables")
	}
	if _, err := os.Stat(filepath.Join(in.Dir, "gunicorn.conf.py")); err == nil {
		c.Warnings = append(c.Warnings, "gunicorn.conf.py is not used: its settings, and what else there is, can be in asteri.toml")
	}
}

// wantsHelp returns what the command line asks for that a mistake elsewhere should not
// prevent, or nil.
func wantsHelp(options assignments) assignments {
	for _, name := range []string{"help", "version"} {
		if v, ok := options[name]; ok {
			return assignments{name: v}
		}
	}
	return nil
}

// configPath returns the file to read, and whether it was asked for.
func configPath(options, variables assignments) (path string, given bool) {
	for _, layer := range []assignments{options, variables} {
		if v, ok := layer["config"]; ok {
			return v.values[0], true
		}
	}
	return "asteri.toml", false
}

// apply parses the values into c. Its error names all that are not allowed.
func (c *Config) apply(all assignments) error {
	var bad []error
	for _, s := range settings {
		if s.at == nil {
			continue
		}
		v := s.at(c)
		given, ok := all[s.Name]
		if !ok {
			given.values = s.defaults()
		}
		for _, one := range given.values {
			if err := v.Set(one); err != nil {
				bad = append(bad, invalid(given.origin, s.hide(one), err))
			}
		}
		c.origins[s.Name] = given.origin
	}
	return errors.Join(bad...)
}

// invalid is the error for a value that is not allowed.
func invalid(o Origin, v string, err error) error {
	return fmt.Errorf("%s: %q: %w", o.Name, v, err)
}

// directory makes a path absolute. It is for directories that are entered, so
// that a reload, which happens inside, means the same one.
func (c *Config) directory(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return c.resolve(path), nil
}

// resolve makes a path absolute.
func (c *Config) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.dir, path)
}

// Restart returns the settings that differ between c and next but that a reload
// cannot apply, by name.
func (c *Config) Restart(next *Config) []string {
	var names []string
	for _, s := range settings {
		if s.at == nil || s.Live || s.Command || s.Name == "config" {
			continue
		}
		if s.at(c).TOML() != s.at(next).TOML() {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// splitList splits a list given as one text, as environment variables are.
func splitList(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
