package config

import (
	"errors"
	"fmt"
	"maps"
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
	c := &Config{dir: in.Dir, origins: make(map[string]Origin), carried: make(map[string]any), carriedFrom: make(map[string]Origin)}
	l, err := c.readArgs(in.Args)
	if wanted := wantsHelp(l.options); wanted != nil {
		return c, c.apply(wanted)
	}
	if err != nil {
		return nil, errors.Join(err, c.apply(l.options))
	}
	if err := c.readRest(in.Environ, &l); err != nil {
		return nil, err
	}
	err = c.apply(l.all())
	if err == nil {
		err = c.complete()
	}
	if err != nil {
		c.Conf.Close()
		return nil, err
	}
	c.tellWorkers()
	return c, nil
}

// layers are what each source has said, the weakest first. A file of gunicorn's is stronger than foreign: there
// these variables are defaults.
type layers struct {
	file      assignments
	isPython  bool
	foreign   assignments // variables that others have given a meaning, such as PORT
	gunicorn  assignments // GUNICORN_CMD_ARGS
	variables assignments
	implied   assignments // by the word dev
	options   assignments
}

// all are the settings that they add up to.
func (l *layers) all() assignments {
	all := make(assignments)
	if l.isPython {
		maps.Copy(all, l.foreign)
	}
	maps.Copy(all, l.file)
	if !l.isPython {
		maps.Copy(all, l.foreign)
	}
	for _, layer := range []assignments{l.gunicorn, l.variables, l.implied, l.options} {
		maps.Copy(all, layer)
	}
	return all
}

// readArgs reads the command line: ours, or after the word gunicorn that of gunicorn.
func (c *Config) readArgs(args []string) (l layers, err error) {
	if len(args) > 0 && args[0] == asGunicorn {
		c.gunicorn = true
		l.options, err = c.fromGunicorn(args[1:], func(flag string) Origin { return Origin{Layer: CommandLine, Name: flag} })
	} else {
		rest, dev := developing(words(args))
		if dev {
			l.implied = devAssignments()
		}
		l.options, err = parseArgs(rest)
	}
	c.given = l.options
	return l, err
}

// readRest reads the environment and the configuration file.
func (c *Config) readRest(environ []string, l *layers) error {
	l.variables = make(assignments)
	warnings, err := readEnvironment(environ, l.variables)
	c.Warnings = append(c.Warnings, warnings...)
	if err != nil {
		return err
	}
	l.foreign = make(assignments)
	for setting, v := range l.variables {
		if !strings.HasPrefix(v.origin.Name, prefix) {
			l.foreign[setting] = v
			delete(l.variables, setting)
		}
	}
	if l.gunicorn, err = c.fromGunicornVariable(environ); err != nil {
		return err
	}
	name, given := c.choose(l.options, l.gunicorn, l.variables)
	if c.asksOnly && !given && name == gunicornFile {
		return nil
	}
	if l.isPython = name != "" && c.isPython(name); l.isPython {
		l.file, err = c.readConf(name, l.all())
		return err
	}
	l.file, c.File, err = readFile(c.resolve(name), name, given)
	return err
}

// ControlSocket returns the path that a server with these sources has for its control
// socket; empty for none. Mistakes in other settings are the server's affair.
func ControlSocket(in Input) (string, error) {
	options, err := parseArgs(in.Args)
	if err != nil {
		return "", err
	}
	c := &Config{dir: in.Dir, origins: make(map[string]Origin), carried: make(map[string]any), carriedFrom: make(map[string]Origin)}
	l := layers{options: options, variables: make(assignments)}
	_, _ = readEnvironment(in.Environ, l.variables)
	if path, ok := c.controlSocket(&l); ok { // no file need be read
		return path, nil
	}
	c.asksOnly = true // who asks a server does not want to execute what lies about
	mistake := c.readRest(in.Environ, &l)
	c.Conf.Close()
	if path, ok := c.controlSocket(&l); ok {
		return path, nil
	}
	return "", mistake
}

// controlSocket is what layers say of it.
func (c *Config) controlSocket(l *layers) (path string, said bool) {
	v, ok := l.all()["control_socket"]
	if !ok || len(v.values) == 0 || find("control_socket").at(c).Set(v.values[0]) != nil {
		return "", false
	}
	return c.Server.Control.Socket, true
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
