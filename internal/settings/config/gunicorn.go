package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/gunicorn"
)

// Idle is a setting of another server's that was given and does nothing here.
type Idle struct {
	Name   string
	Origin Origin
	Why    string
}

// asGunicorn is the first word of a command line that is gunicorn's.
const asGunicorn = "gunicorn"

// isSetting tells whether there is a setting of that name.
func isSetting(name string) bool { return find(name) != nil }

// fromGunicorn reads a command line of gunicorn's.
func (c *Config) fromGunicorn(args []string, origin func(flag string) Origin) (assignments, error) {
	line, err := gunicorn.Parse(args)
	into, bad := make(assignments), []error{err}
	if line.Help {
		bad = append(bad, into.put(find("help"), origin("--help"), asGunicorn))
	}
	if line.Version {
		bad = append(bad, into.put(find("version"), origin("--version"), "true"))
	}
	for _, given := range line.Given {
		bad = append(bad, c.takeGunicorn(given.Row, given.Value, origin(given.Flag), into))
	}
	if line.App != "" {
		bad = append(bad, into.put(find("app"), origin("APP"), line.App))
	}
	return into, errors.Join(bad...)
}

// fromGunicornVariable reads GUNICORN_CMD_ARGS.
func (c *Config) fromGunicornVariable(environ []string) (assignments, error) {
	const name = "GUNICORN_CMD_ARGS"
	for _, kv := range slices.Backward(environ) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			args, err := gunicorn.SplitVariable(v)
			if err != nil {
				return nil, err
			}
			into, err := c.fromGunicorn(args, func(flag string) Origin { return Origin{Layer: Environment, Name: name + " " + flag} })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return into, nil
		}
	}
	return make(assignments), nil
}

// takeGunicorn takes one setting of gunicorn's: into has what becomes of it, c what is not a setting here.
func (c *Config) takeGunicorn(row *gunicorn.Row, v any, origin Origin, into assignments) error {
	switch row.Fate {
	case gunicorn.Becomes:
		return c.takeValue(row, v, origin, into)
	case gunicorn.Command:
		s := find(row.Name)
		if text, isText := v.(string); isText || v == true {
			if !isText {
				text = "true"
			}
			return into.put(s, origin, text)
		}
		return nil
	case gunicorn.Carried:
		if gunicorn.Significant(v) {
			c.carried[row.Name] = v
			c.carriedFrom[row.Name] = origin
		}
		return nil
	}
	if !gunicorn.Significant(v) {
		return nil
	}
	if row.Fate == gunicorn.Refused {
		return fmt.Errorf("%s: not here; %s", origin.Name, row.Why)
	}
	c.idle(row.Name, origin, row.Why, row.Fate == gunicorn.Missed)
	return nil
}

// idle notes a setting that does nothing, and if it may be missed says so in the log.
func (c *Config) idle(name string, origin Origin, why string, missed bool) {
	c.Idle = append(c.Idle, Idle{name, origin, why})
	if missed {
		c.Warnings = append(c.Warnings, origin.Name+": does nothing here; "+why)
	}
}

// takeValue takes what becomes a setting of ours. The last one of several options counts, but for lists.
func (c *Config) takeValue(row *gunicorn.Row, v any, origin Origin, into assignments) error {
	s := find(row.To)
	values, err := row.Convert(v)
	var stranger *gunicorn.StrangerError
	switch {
	case errors.As(err, &stranger):
		c.idle(row.Name, origin, fmt.Sprintf("%s: %v", stranger.Class, err), true)
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", origin.Name, err)
	case len(values) > 1 && !s.Many:
		return fmt.Errorf("%s: takes one value, not a list", origin.Name)
	case len(values) == 0 && (v == nil || !s.Many):
		return nil
	}
	if row.Takes != gunicorn.Many {
		delete(into, s.Name)
	}
	return into.add(s, origin, values...)
}

// writeGunicorn writes what becomes of each of gunicorn's options.
func writeGunicorn(b *strings.Builder) {
	b.WriteString(`usage: asteri-loop gunicorn [OPTIONS] [APP]

gunicorn's command line, as it is: its options, its letters, GUNICORN_CMD_ARGS
and gunicorn.conf.py. With --explain it prints the command line that says the
same here. What is not gunicorn's is set by ASTERI_ variables, such as
ASTERI_PYTHON.

`)
	for i := range gunicorn.Rows {
		row := &gunicorn.Rows[i]
		if row.Flags == "" {
			continue
		}
		what := row.Why
		switch row.Fate {
		case gunicorn.Becomes:
			what = strings.TrimSuffix(firstSentence(find(row.To).Help), ".") + "."
		case gunicorn.Command:
			what = "As here."
		case gunicorn.Carried:
			what = "Heeded in workers."
		default:
			what = "Does nothing here: " + strings.TrimPrefix(what, "leave it out: ") + "."
		}
		writeText(b, "  "+strings.ReplaceAll(row.Flags, " ", ", "), what)
	}
}
