package config

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/kballard/go-shellquote"

	"github.com/asteri/asteri-loop/internal/settings/gunicorn"
)

// Explain writes each setting that is not as it is by default, or all of them, with its value and where that comes
// from; and then what was given and does nothing. Secrets are masked.
func (c *Config) Explain(w io.Writer, all bool) error {
	var b strings.Builder
	line := func(name, value, origin string) { fmt.Fprintf(&b, "%-32s %-32s %s\n", name, value, origin) }
	for _, s := range settings {
		if s.at == nil || s.Command || s.Name == "config" {
			continue
		}
		if o := c.origins[s.Name]; all || o.Layer != Default || o.Name != "" {
			line(s.Name, s.shown(c), o.place())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.carried)) {
		line(name, "heeded in workers", c.carriedFrom[name].place())
	}
	if c.Conf != nil {
		for _, name := range c.Conf.Hooks {
			where := map[gunicorn.Fate]string{gunicorn.WorkerHook: "runs in workers", gunicorn.ServerHook: "runs in the helper interpreter"}[gunicorn.Find(name).Fate]
			line(name, cmp.Or(where, "does not run"), at(c.confFile.Location, c.Conf.Lines[name]))
		}
	}
	for _, one := range c.Idle {
		fmt.Fprintf(&b, "%-32s does nothing here: %s (%s)\n", one.Name, strings.TrimPrefix(one.Why, "leave it out: "), one.Origin.place())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// place says where a value came from, by its line if that is known.
func (o Origin) place() string { return cmp.Or(o.Place, o.String()) }

// ExplainCommand writes the command line that says here what the one of gunicorn's said, and below it which of
// its options do nothing.
func (c *Config) ExplainCommand(w io.Writer) error {
	words := []string{"asteri-loop"}
	for _, s := range settings {
		v, ok := c.given[s.Name]
		if !ok || s.Name == "app" {
			continue
		}
		for _, one := range v.values {
			words = append(words, s.option(one)...)
		}
	}
	if v, ok := c.given["app"]; ok {
		words = append(words, v.values...)
	}
	return WriteEquivalent(w, words, c.Idle)
}

// option spells a value as an option of the command line.
func (s *setting) option(value string) []string {
	switch {
	case s.Meta == "" && value == "true":
		return []string{"--" + s.Flags[0]}
	case s.Meta == "":
		return []string{"--" + s.Flags[0] + "=" + value}
	}
	return []string{"--" + s.Flags[0], value}
}

// WriteEquivalent writes a command as a shell takes it, and below it what it leaves out.
func WriteEquivalent(w io.Writer, command []string, left []Idle) error {
	var b strings.Builder
	b.WriteString(shellquote.Join(command...) + "\n")
	for _, one := range left {
		fmt.Fprintf(&b, "# %s: %s\n", one.Origin.Name, one.Why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// GunicornSettings are the settings in effect as gunicorn's, for `cfg` of hooks: nil for those that only a conf
// file can have.
func (c *Config) GunicornSettings() map[string]any {
	known := make(map[string]any, len(gunicorn.Rows))
	for i := range gunicorn.Rows {
		row := &gunicorn.Rows[i]
		known[row.Name] = nil
		if s := find(row.To); s != nil && s.at != nil && row.Fate == gunicorn.Becomes {
			known[row.Name] = s.data(c)
		}
	}
	for name, v := range c.carried {
		if c.carriedFrom[name].Layer != File { // else workers have it from the file, and not in JSON's form
			known[name] = v
		}
	}
	known["workers"] = int64(c.Python.Workers)
	known["default_proc_name"] = cmp.Or(c.App, "gunicorn")
	if known["accesslog"] == "none" {
		known["accesslog"] = nil
	}
	return known
}

// data is the value in effect as plain data: a number, also for times (in seconds) and sizes (in bytes), a text, a
// switch or a list of texts. An empty text is none.
func (s *setting) data(c *Config) any {
	var document struct{ V any }
	if _, err := toml.Decode("V = "+s.at(c).TOML(), &document); err != nil {
		return nil
	}
	text, isText := document.V.(string)
	switch {
	case !isText:
		return document.V
	case text == "":
		return nil
	case s.Meta == "TIME":
		d, _ := parseDuration(text)
		if seconds := d.Seconds(); seconds != float64(int64(seconds)) {
			return seconds
		}
		return int64(d.Seconds())
	case s.Meta == "SIZE":
		n, _ := parseSize(text)
		return n
	case s.Meta == "OCTAL":
		n, _ := strconv.ParseInt(text, 8, 32)
		return n
	}
	return text
}
