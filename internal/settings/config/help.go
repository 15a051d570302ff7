package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

const usage = `usage: asteri-loop [OPTIONS] [APP]
       asteri-loop ctl COMMAND    of a server that runs: asteri-loop ctl --help
       asteri-loop explain [...]  each setting, and where it comes from
       asteri-loop gunicorn ...   by gunicorn's command line: help gunicorn
       asteri-loop systemd [OPTIONS] [APP] | completion SHELL | man

APP is a Python application (WSGI, ASGI or Tornado): module:attribute,
module:factory(), package.module or path/to/file.py[:attribute]. Without it
the server shows a demonstration.
`

const examples = `
  asteri-loop app:app                            the model follows from APP
  asteri-loop dev app:app                        reloads when the code changes
  asteri-loop -l :8000 -w 4 "app:create_app()"   a factory, four workers
  asteri-loop -l :443 --certfile cert.pem --keyfile key.pem main:app
`

// page are the settings that --help shows, by what people look for on a first day.
var page = []struct {
	title string
	names []string
}{
	{"Where and what", []string{"bind", "chdir", "python", "env", "config"}},
	{"Workers", []string{"workers", "threads", "timeout", "graceful_timeout", "max_requests"}},
	{"In front", []string{"certfile", "keyfile", "static", "forwarded_allow_ips"}},
	{"To look at", []string{"access_logfile", "log_level", "check_config", "version"}},
}

const pageEnd = `
asteri-loop help TOPIC tells more, help OPTION all about one option, and
help all lists every one. Topics:
`

const epilogue = `
Every setting can also be given in a file (-c), TOML or a gunicorn.conf.py, and
as ASTERI_NAME. The command line wins over the environment, that over the file.
`

// topics are what help can be asked about: a word for each group, or for two.
var topics = []struct {
	name   string
	groups []string
}{
	{"general", []string{groupGeneral, groupFile}}, {"sockets", []string{groupSocket}}, {"workers", []string{groupWorkers}},
	{"mechanics", []string{groupMechanics}}, {"websocket", []string{groupWebSocket}}, {"proxies", []string{groupProxies}},
	{"security", []string{groupSecurity}}, {"tls", []string{groupSSL}}, {"http", []string{groupHTTP}}, {"mounts", []string{groupMounts}},
	{"files", []string{groupFiles, groupCompress}}, {"logging", []string{groupLogging}}, {"tracing", []string{groupTracing}},
	{"status", []string{groupStatus}}, {"metrics", []string{groupMetrics}}, {"development", []string{groupDevelopment}}, {"debugging", []string{groupDebugging}},
}

// everything is the topic of all options.
const everything = "all"

// WriteHelp writes what there is to say on a topic: on none a page, on a group of
// settings or everything their options, on one option all that is known of it. Its
// error names the topics.
func WriteHelp(w io.Writer, topic string) error {
	var b strings.Builder
	topic = strings.ToLower(topic)
	switch groups := groupsOf(topic); {
	case topic == "":
		writePage(&b)
	case topic == asGunicorn:
		writeGunicorn(&b)
	case topic == everything:
		b.WriteString(usage)
		writeGroups(&b, nil)
		b.WriteString(epilogue)
	case groups != nil:
		writeGroups(&b, groups)
	default:
		s := optionNamed(topic)
		if s == nil {
			return unknownTopic(topic)
		}
		writeOne(&b, s)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

// groupsOf returns the groups of a topic, which may also be the name of one.
func groupsOf(topic string) []string {
	for _, t := range topics {
		if t.name == topic {
			return t.groups
		}
	}
	for _, s := range settings {
		if strings.EqualFold(s.Group, topic) {
			return []string{s.Group}
		}
	}
	return nil
}

// optionNamed finds a setting by any of its names: --timeout, -t, timeout or its key.
func optionNamed(name string) *setting {
	letter, isLetter := strings.CutPrefix(name, "-")
	name = strings.TrimLeft(name, "-")
	for _, s := range settings {
		if slices.Contains(s.Flags, strings.ReplaceAll(name, "_", "-")) || isLetter && len(letter) == 1 && strings.Contains(strings.ToLower(s.Short), letter) {
			return s
		}
	}
	return find(strings.ReplaceAll(name, "-", "_"))
}

func topicNames() (names []string) {
	for _, t := range topics {
		names = append(names, t.name)
	}
	return names
}

func unknownTopic(topic string) error {
	names := topicNames()
	options := slices.Clone(names)
	for _, s := range settings {
		options = append(options, s.Flags...)
	}
	return fmt.Errorf("help: %q is no topic and no option%s; topics: %s, %s", topic, didYouMean(topic, options, ""), strings.Join(names, ", "), everything)
}

func writePage(b *strings.Builder) {
	b.WriteString(usage + examples)
	for _, part := range page {
		fmt.Fprintf(b, "\n%s:\n", part.title)
		for _, name := range part.names {
			writeOption(b, find(name), firstSentence(find(name).Help))
		}
	}
	b.WriteString(pageEnd)
	column := 1
	b.WriteByte(' ')
	for _, word := range topicNames() {
		if column+1+len(word) > helpWidth {
			b.WriteString("\n ")
			column = 1
		}
		b.WriteString(" " + word)
		column += 1 + len(word)
	}
	b.WriteString("\n" + epilogue)
}

// firstSentence is what a setting is for; further ones say how.
func firstSentence(help string) string {
	first, _, more := strings.Cut(help, ". ")
	if more {
		first += "."
	}
	return first
}

// writeGroups writes the options of groups, of all if there are none.
func writeGroups(b *strings.Builder, groups []string) {
	group := ""
	for _, s := range settings {
		if len(s.Flags) == 0 || groups != nil && !slices.Contains(groups, s.Group) {
			continue
		}
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(b, "\n%s:\n", group)
		}
		writeOption(b, s, s.Help)
	}
}

// writeOne writes all there is to say on one setting.
func writeOne(b *strings.Builder, s *setting) {
	if len(s.Flags) > 0 {
		writeOption(b, s, s.Help)
	} else {
		writeText(b, "  "+s.Name, s.Help)
	}
	b.WriteByte('\n')
	row := func(title, text string) {
		if text != "" {
			writeText(b, "  "+title, text)
		}
	}
	if !s.Command {
		row("in the file", s.Name)
	}
	var names []string
	for _, v := range s.variables() {
		names = append(names, v.Name)
	}
	row("in the environment", strings.Join(names, " or "))
	row("default", s.Default)
	if s.Live {
		row("applied by", "reload")
	} else if !s.Command {
		row("applied by", "restart")
	}
}

const (
	helpColumn = 26
	helpWidth  = 79
)

func writeOption(b *strings.Builder, s *setting, help string) {
	writeText(b, "  "+s.spelling(), help+s.defaultNote())
}

// writeText writes a head and, beside or below it, a text in lines.
func writeText(b *strings.Builder, head, text string) {
	b.WriteString(head)
	column := len(head)
	if column+2 > helpColumn {
		b.WriteByte('\n')
		column = 0
	}
	for word := range strings.FieldsSeq(text) {
		if column+1+len(word) > helpWidth {
			b.WriteByte('\n')
			column = 0
		}
		pad := max(helpColumn-column, 1)
		if column >= helpColumn {
			pad = 1
		}
		b.WriteString(strings.Repeat(" ", pad) + word)
		column += pad + len(word)
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

// Print writes the settings as a configuration file, each with its origin. The status
// token is masked: such texts are sent to others who are to help, and a file with the mask
// is refused. The variables of env are the application's, and would go wrong in silence.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	for _, s := range settings {
		if s.at == nil || s.Command || s.Name == "config" {
			continue
		}
		value, origin := s.at(c).TOML(), c.origins[s.Name].String()
		if s.Secret && !s.Many && s.shown(c) != value {
			value, origin = s.shown(c), origin+", masked"
		}
		fmt.Fprintf(&b, "%-40s # %s\n", s.Name+" = "+value, origin)
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

<!-- Made from internal/settings/config/settings.go: go test ./internal/settings/config -run Docs -update -->

A setting is given on the command line, in the environment, or in a TOML file named by ` + "`--config`" + ` (without it, ` + "`asteri.toml`" + ` in the working
directory). The command line wins over the environment, which wins over the file, which wins over the default. ` + "`asteri-loop explain`" + ` shows what is
not as by default, and where it comes from; ` + "`--print-config`" + ` all of it, as a file. The file may also be a [gunicorn.conf.py](migrating-from-gunicorn.md).

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
