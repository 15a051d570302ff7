package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// option notes the values of one option as they are; they are parsed once it is
// known which source wins.
type option struct {
	setting *setting
	flag    string
	into    assignments
}

// Set is called by pflag.
func (o *option) Set(v string) error {
	return o.into.add(o.setting, Origin{CommandLine, "--" + o.flag}, elements(o.setting, v)...)
}

// String and Type make option a pflag.Value; help is not pflag's.
func (o *option) String() string { return "" }

// Type is used by pflag to spot switches.
func (o *option) Type() string { return "" }

// elements splits the options whose one value is a list.
func elements(s *setting, v string) []string {
	if s.Commas {
		return splitList(v)
	}
	return []string{v}
}

// parseArgs reads the command line: options anywhere, and one application.
func parseArgs(args []string) (assignments, error) {
	into := make(assignments)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	// gunicorn mixes - and _; neither is worth an error.
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for _, s := range settings {
		for i, name := range s.Flags {
			f := flags.VarPF(&option{s, name, into}, name, letter(s, i), "")
			if s.Meta == "" {
				f.NoOptDefVal = "true"
			}
		}
	}
	if err := flags.Parse(joinSwitches(args)); err != nil {
		return nil, explain(err)
	}
	switch rest := flags.Args(); {
	case len(rest) > 1:
		return nil, fmt.Errorf("%q: there can be one application only, and that is %q", rest[1], rest[0])
	case len(rest) == 1 && rest[0] == "":
		return nil, errors.New("APP is empty; leave it out for the demonstration")
	case len(rest) == 1:
		return into, into.put(find("app"), Origin{CommandLine, "APP"}, rest[0])
	}
	return into, nil
}

// joinSwitches joins a switch with the on or off behind it, which would be taken for the
// application otherwise.
func joinSwitches(args []string) []string {
	var joined []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		if name, ok := strings.CutPrefix(arg, "--"); ok && isSwitch(name) && i+1 < len(args) && (args[i+1] == "on" || args[i+1] == "off") {
			i++
			arg += "=" + args[i]
		}
		joined = append(joined, arg)
	}
	return joined
}

func isSwitch(name string) bool {
	name = strings.ReplaceAll(name, "_", "-")
	return slices.ContainsFunc(settings, func(s *setting) bool { return s.Meta == "" && slices.Contains(s.Flags, name) })
}

// letter returns the letter for option i of s, or nothing.
func letter(s *setting, i int) string {
	if i < len(s.Short) {
		return s.Short[i : i+1]
	}
	return ""
}

// explain turns pflag's errors into ones that say what was meant.
func explain(err error) error {
	var (
		unknown  *pflag.NotExistError
		valued   *pflag.ValueRequiredError
		rejected *pflag.InvalidValueError
		syntax   *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &unknown):
		return unknownOption(unknown)
	case errors.As(err, &valued):
		s := valued.GetFlag().Value.(*option).setting
		return fmt.Errorf("--%s: needs a value: %s", valued.GetFlag().Name, s.Meta)
	case errors.As(err, &rejected):
		return rejected.Unwrap()
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: not an option", syntax.GetSpecifiedFlag())
	}
	return err
}

func unknownOption(err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	if letters := err.GetSpecifiedShortnames(); letters != "" {
		hint := cmp.Or(gunicornHint(letters), gunicornHint(name))
		if s := find(strings.ReplaceAll(letters, "-", "_")); s != nil && len(s.Flags) > 0 {
			hint = `; did you mean "--` + s.Flags[0] + `"?`
		}
		return fmt.Errorf("-%s: no such option%s", name, hint)
	}
	if ours, ok := elsewhere[name]; ok {
		return fmt.Errorf("--%s: no such option; use %s", name, ours)
	}
	if hint := gunicornHint(name); hint != "" {
		return fmt.Errorf("--%s: no such option%s", name, hint)
	}
	var known []string
	for _, s := range settings {
		known = append(known, s.Flags...)
	}
	return fmt.Errorf("--%s: no such option%s", name, didYouMean(name, known, "--"))
}
