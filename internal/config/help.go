package config

import (
	"fmt"
	"io"
	"strings"
)

const usage = `usage: asteri-loop [OPTIONS] [APP]

APP is a Python application (WSGI, ASGI or Tornado): module:attribute,
module:factory(), package.module or path/to/file.py[:attribute]. Without it
the server shows a demonstration.
`

const epilogue = `
Every setting can also be given in a TOML file (-c), by its name with _ for -,
and in the environment as ASTERI_NAME. The command line wins over the
environment, which wins over the file.
`

// WriteHelp writes the text of --help.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	b.WriteString(usage)
	group := ""
	for _, s := range settings {
		if len(s.Flags) == 0 {
			continue
		}
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n%s:\n", group)
		}
		writeOption(&b, s)
	}
	b.WriteString(epilogue)
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	helpColumn = 26
	helpWidth  = 79
)

func writeOption(b *strings.Builder, s *setting) {
	head := "  " + s.spelling()
	b.WriteString(head)
	column := len(head)
	if column+2 > helpColumn {
		b.WriteByte('\n')
		column = 0
	}
	for _, word := range strings.Fields(s.Help + s.defaultNote()) {
		if column+1+len(word) > helpWidth {
			b.WriteByte('\n')
			column = 0
		}
		pad := max(helpColumn-column, 1)
		if column < helpColumn {
			b.WriteString(strings.Repeat(" ", pad))
		} else {
			b.WriteByte(' ')
		}
		column += pad + len(word)
		b.WriteString(word)
	}
	b.WriteByte('\n')
}

// spelling lists the options of a setting, as in "-b, --bind ADDRESS".
func (s *setting) spelling() string {
	var parts []string
	for i := range s.Short {
		parts = append(parts, "-"+s.Short[i:i+1])
	}
	for _, f := range s.Flags {
		parts = append(parts, "--"+f)
	}
	spelled := strings.Join(parts, ", ")
	if s.Meta != "" {
		spelled += " " + s.Meta
	}
	return spelled
}

func (s *setting) defaultNote() string {
	if s.Default == "" || s.Default == "0" || s.Meta == "" {
		return ""
	}
	return " [" + s.Default + "]"
}

// Print writes the settings as a configuration file, each with its origin.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	for _, s := range settings {
		if s.at == nil || s.Command || s.Name == "config" {
			continue
		}
		fmt.Fprintf(&b, "%-40s # %s\n", s.Name+" = "+s.at(c).TOML(), c.origins[s.Name])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteDocs writes docs/settings.md.
func WriteDocs(w io.Writer) error {
	var b strings.Builder
	b.WriteString(docsHead)
	group := ""
	for _, s := range settings {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		writeSection(&b, s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const docsHead = `# Settings

<!-- Made from internal/config/settings.go: go test ./internal/config -run Docs -update -->

A setting is given on the command line, in the environment, or in a TOML file named by ` + "`--config`" + ` (without it, ` + "`asteri.toml`" + ` in the working
directory). The command line wins over the environment, which wins over the file, which wins over the default. ` + "`--print-config`" + ` shows what is
in effect, and where each value comes from.

Times are seconds or have a unit: ` + "`30`, `30s`, `2m`, `500ms`, `1h`" + `. Sizes are bytes or have a unit of 1024: ` + "`8190`, `64k`, `1GiB`" + `. Lists are
arrays in the file, repeated options on the command line, and separated by commas in the environment.

A reload (SIGHUP) reads all of it again, and applies the settings marked *reload*. The others need a restart, and the log says so if they changed.

Exit status: 0 after a stop that was asked for, 1 if the server cannot start or fails, 2 for a mistake in the settings, whenever it shows, 3 if the application cannot be
started.
`

func writeSection(b *strings.Builder, s *setting) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n", s.Name, escapeMarkdown(s.Help))
	row := func(title, text string) {
		if text != "" {
			fmt.Fprintf(b, "- %s: %s\n", title, text)
		}
	}
	b.WriteByte('\n')
	if len(s.Flags) > 0 {
		row("option", "`"+s.spelling()+"`")
	}
	var names []string
	for _, v := range s.variables() {
		names = append(names, "`"+v.Name+"`")
	}
	row("environment", strings.Join(names, ", "))
	if len(s.Aliases) > 0 {
		row("also", "`"+strings.Join(s.Aliases, "`, `")+"`")
	}
	if s.Default != "" {
		row("default", "`"+s.Default+"`")
	}
	if s.Live {
		row("applied by", "reload")
	}
}

func escapeMarkdown(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "[", `\[`, "<", "&lt;").Replace(s)
}
