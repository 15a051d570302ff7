package config

import "strings"

// setting is one row of the table.
type setting struct {
	// Name is the key in the configuration file. In the environment it is
	// ASTERI_ and the name in capitals. Aliases, such as gunicorn's
	// spelling, work in both places too.
	Name    string
	Aliases []string
	// Flags are the options of the command line, without dashes; Short holds
	// the letters that stand for the first of them, in their order. A
	// setting without Flags is not set by an option.
	Flags []string
	Short string
	// Variables are further environment variables, for names that other
	// software has given a meaning.
	Variables []Variable
	// Group is the heading under which help lists the setting.
	Group string
	// Meta stands for the value in help. It is empty for a switch.
	Meta string
	// Default is parsed like any other value; empty leaves the zero value.
	Default string
	// Help says what the setting does, in full sentences after the first
	// word, without the default.
	Help string
	// Many says that the setting may be given several times, and Commas that
	// one value may hold several, separated by commas.
	Many, Commas bool
	// Live says that a reload (SIGHUP) applies the setting. The others need
	// a restart.
	Live bool
	// Mounts says which mounts may have the setting for themselves; without it, it is one
	// of the server as a whole.
	Mounts mountKind
	// Command says that the setting asks for something in place of serving.
	// It is taken from the command line only.
	Command bool
	// Secret says that the value is for nobody's eyes: errors and Rows do not
	// show it, or of NAME=VALUE only the name. In a mount it is masked too.
	Secret bool

	// at returns where the value is kept and how it is parsed; nil for a
	// setting that only stands for others.
	at func(*Config) value
	// expand, if not nil, turns one value into values of several settings.
	// It returns nil for a value that is the setting's own.
	expand func(string) ([]replacement, error)
}

// mountKind is what is served at a mount; several of them are or-ed.
type mountKind uint8

const (
	ofApps     mountKind = 1 << iota // Python applications
	ofServers                        // other servers, by their URLs
	ofAnyMount = ofApps | ofServers
)

// forMounts returns the settings that a mount of a kind may have for itself.
func forMounts(kind mountKind) (names []string) {
	for _, s := range settings {
		if s.Mounts&kind != 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// Variable is an environment variable of another name than the setting's.
type Variable struct {
	Name string
	// Prefix is put before its value.
	Prefix string
}

// replacement is what a value of one setting stands for in another.
type replacement struct{ name, value string }

// names returns the keys under which the setting may be given.
func (s *setting) names() []string { return append([]string{s.Name}, s.Aliases...) }

// defaults returns the values that the setting has if none is given.
func (s *setting) defaults() []string {
	switch {
	case s.Default == "":
		return nil
	case s.Commas:
		return splitList(s.Default)
	}
	return []string{s.Default}
}

// variables returns the environment variables, the strongest first.
func (s *setting) variables() []Variable {
	if s.Command {
		return nil
	}
	vars := make([]Variable, 0, 1+len(s.Aliases)+len(s.Variables))
	for _, n := range s.names() {
		vars = append(vars, Variable{Name: prefix + strings.ToUpper(n)})
	}
	return append(vars, s.Variables...)
}

// prefix begins the name of each environment variable that is a setting.
const prefix = "ASTERI_"

// find returns the setting that name is a key of, or nil.
func find(name string) *setting {
	for _, s := range settings {
		for _, n := range s.names() {
			if n == name {
				return s
			}
		}
	}
	return nil
}
