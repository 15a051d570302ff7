package gunicorn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kballard/go-shellquote"

	"github.com/asteri/asteri-loop/internal/settings/suggest"
)

// Given is what a command line says of one setting.
type Given struct {
	*Row
	// Flag is the option as it was spelled.
	Flag string
	// Value is its value; true of a switch.
	Value any
}

// CommandLine is what a command line of gunicorn's says.
type CommandLine struct {
	Given         []Given
	App           string
	Help, Version bool
}

// SplitVariable takes GUNICORN_CMD_ARGS apart as a shell would.
func SplitVariable(v string) ([]string, error) {
	args, err := shellquote.Split(v)
	if err != nil {
		return nil, fmt.Errorf("GUNICORN_CMD_ARGS: %w", err)
	}
	return args, nil
}

// Parse reads a command line by the rules of argparse, which gunicorn has it read by: options anywhere, -w4,
// --workers=4, and the beginning of a long option if there is no other. Its error names all that is wrong.
func Parse(args []string) (CommandLine, error) {
	p := parser{args: args}
	for len(p.args) > 0 {
		arg := p.next()
		switch {
		case arg == "--":
			p.positional(p.args...)
			p.args = nil
		case strings.HasPrefix(arg, "--"):
			p.long(arg)
		case len(arg) > 1 && arg[0] == '-':
			p.letters(arg[1:])
		default:
			p.positional(arg)
		}
	}
	return p.line, errors.Join(p.bad...)
}

type parser struct {
	args []string
	line CommandLine
	bad  []error
}

func (p *parser) next() string {
	arg := p.args[0]
	p.args = p.args[1:]
	return arg
}

func (p *parser) fail(format string, args ...any) { p.bad = append(p.bad, fmt.Errorf(format, args...)) }

func (p *parser) positional(args ...string) {
	for _, arg := range args {
		if p.line.App != "" && len(p.bad) == 0 { // else one of them may be the value of a strange option
			p.fail("%q: there can be one application only, and that is %q", arg, p.line.App)
			return
		}
		p.line.App = arg
	}
}

// long takes an option with two dashes.
func (p *parser) long(arg string) {
	name, value, joined := strings.Cut(arg, "=")
	flag, err := complete(name)
	if err != nil {
		p.bad = append(p.bad, err)
		return
	}
	p.option(flag, value, joined)
}

// letters takes what follows one dash: an option with its value, or several, of which the last may have one.
func (p *parser) letters(letters string) {
	for letters != "" {
		flag := "-" + letters[:1]
		letters = letters[1:]
		row := rowOf(flag)
		if row == nil && !isOwn(flag) {
			p.fail("%s: gunicorn has no such option", flag)
			return
		}
		if row != nil && row.Takes != None && letters != "" {
			p.option(flag, strings.TrimPrefix(letters, "="), true)
			return
		}
		p.option(flag, "", false)
	}
}

func (p *parser) option(flag, value string, joined bool) {
	row := rowOf(flag)
	switch {
	case flag == "-h" || flag == "--help":
		p.line.Help = true
	case flag == "-v" || flag == "--version":
		p.line.Version = true
	case row.Takes == None && joined:
		p.fail("%s: takes no value", flag)
	case row.Takes == None:
		p.line.Given = append(p.line.Given, Given{row, flag, row.Name != "sendfile"})
	case joined:
		p.line.Given = append(p.line.Given, Given{row, flag, value})
	case len(p.args) > 0 && !strings.HasPrefix(p.args[0], "-") || len(p.args) > 0 && row.Takes != Optional && (p.args[0] == "-" || isNegative(p.args[0])):
		p.line.Given = append(p.line.Given, Given{row, flag, p.next()})
	case row.Takes == Optional:
		p.line.Given = append(p.line.Given, Given{row, flag, "auto"})
	default:
		p.fail("%s: needs a value", flag)
	}
}

// isNegative tells whether argparse takes an argument for a number, and so for no option.
func isNegative(arg string) bool {
	rest, ok := strings.CutPrefix(arg, "-")
	return ok && rest != "" && strings.Trim(rest, "0123456789.") == ""
}

// ownFlags are options that are no settings.
var ownFlags = []string{"-h", "--help", "-v", "--version"}

func isOwn(flag string) bool { return slices.Contains(ownFlags, flag) }

func rowOf(flag string) *Row {
	for i := range Rows {
		if Rows[i].has(flag) {
			return &Rows[i]
		}
	}
	return nil
}

// complete returns the long option that name is, or is the only one to begin with.
func complete(name string) (string, error) {
	flags := slices.Clone(ownFlags)
	for i := range Rows {
		flags = append(flags, strings.Fields(Rows[i].Flags)...)
	}
	if slices.Contains(flags, name) {
		return name, nil
	}
	var found []string
	for _, flag := range flags {
		if strings.HasPrefix(flag, name) {
			found = append(found, flag)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if near := suggest.Nearest(name, flags); near != "" {
			return "", fmt.Errorf("%s: gunicorn has no such option; did you mean %q?", name, near)
		}
		return "", fmt.Errorf("%s: gunicorn has no such option", name)
	}
	return "", fmt.Errorf("%s: could be %s", name, strings.Join(found, " or "))
}
