package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteMan writes the manual page, in the macros of man(7).
func WriteMan(w io.Writer, version string, words []Word) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH ASTERI\\-LOOP 1 \"\" \"asteri\\-loop %s\" \"User Commands\"\n", roff(version))
	b.WriteString(".SH NAME\nasteri\\-loop \\- application server for Python and Go\n.SH SYNOPSIS\n.B asteri\\-loop\n[\\fIOPTIONS\\fR] [\\fIAPP\\fR]\n")
	for _, word := range words {
		fmt.Fprintf(&b, ".br\n.B asteri\\-loop %s\n", roff(word.Name))
	}
	b.WriteString(".SH DESCRIPTION\n")
	_, about, _ := strings.Cut(usage, "\n\n")
	b.WriteString(roff(strings.Join(strings.Fields(about), " ")) + "\n")
	b.WriteString(".SH COMMANDS\n")
	for _, word := range words {
		manItem(&b, word.Name, word.Help)
		if word.Then != nil {
			b.WriteString("One of: " + roff(strings.Join(word.Then, ", ")) + ".\n")
		}
	}
	b.WriteString(".SH OPTIONS\n")
	group := ""
	for _, s := range named() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, ".SS %s\n", roff(group))
		}
		manItem(&b, s.spelling(), s.Help+s.defaultNote())
	}
	b.WriteString(".SH ENVIRONMENT\nEach setting is also read from ASTERI_NAME, its name in capitals with _ for \\-. Besides:\n")
	for _, s := range settings {
		for _, v := range s.Variables {
			manItem(&b, v.Name, "as "+s.Name)
		}
	}
	b.WriteString(`.SH FILES
.TP
.B asteri.toml
Settings, by their names with _ for \-, if it is in the working directory and \-\-config names no other.
.SH SIGNALS
`)
	for _, one := range signalsMeaning {
		manItem(&b, one[0], one[1])
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, one := range exitMeaning {
		manItem(&b, one[0], one[1])
	}
	b.WriteString(".SH EXAMPLES\n.EX\n")
	for line := range strings.Lines(strings.Trim(examples, "\n")) {
		b.WriteString(roff(strings.TrimRight(line, "\n")) + "\n")
	}
	b.WriteString(".EE\n.SH SEE ALSO\n.BR systemd.service (5),\n.BR systemd.socket (5)\n")
	_, err := io.WriteString(w, b.String())
	return err
}

var signalsMeaning = [][2]string{
	{"TERM", "Stop gracefully, after --drain-delay; a second one stops at once."},
	{"INT", "Stop gracefully; a second one stops at once."},
	{"QUIT", "Stop at once."},
	{"HUP", "Read settings, certificates and the application's code again."},
	{"USR1", "Open the log files again."},
	{"TTIN, TTOU", "One worker more, one fewer."},
}

var exitMeaning = [][2]string{
	{"0", "It was stopped as asked."},
	{"1", "The server cannot start, or has failed."},
	{"2", "A mistake in the settings."},
	{"3", "The application cannot be started."},
}

func manItem(b *strings.Builder, head, text string) {
	fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(head), roff(text))
}

// roff escapes text that stands on a line of its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`, `"`, `\(dq`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
