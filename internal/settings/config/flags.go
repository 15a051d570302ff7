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
	bad     *[]error
}

// Set is called by pflag, which would stop at the first error; all are to be told.
func (o *option) Set(v string) error {
	if err := o.into.add(o.setting, Origin{Layer: CommandLine, Name: "--" + o.flag}, elements(o.setting, v)...); err != nil {
		*o.bad = append(*o.bad, err)
	}
	return nil
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

// parseArgs reads the command line: options anywhere, and one application. Its error
// names everything that is wrong; what is right is in the assignments all the same.
func parseArgs(args []string) (assignments, error) {
	var unknown []error
	for {
		into := make(assignments)
		bad, rest, err := parseKnown(args, into)
		var stranger *pflag.NotExistError
		if !errors.As(err, &stranger) {
			if err != nil {
				bad = append(bad, explain(err))
			}
			// What follows a strange option may be its value, and no application.
			if err == nil && unknown == nil {
				bad = append(bad, takeApp(rest, into))
			}
			return into, errors.Join(append(unknown, bad...)...)
		}
		unknown = append(unknown, unknownOption(stranger))
		args = without(args, stranger)
	}
}

// parseKnown reads options up to the first that there is not. It returns what is wrong
// with the values of the others, and the arguments that are none.
func parseKnown(args []string, into assignments) (bad []error, rest []string, err error) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	// gunicorn mixes - and _; neither is worth an error.
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for _, s := range settings {
		for i, name := range s.spellings() {
			f := flags.VarPF(&option{s, name, into, &bad}, name, letter(s, i), "")
			if s.Meta == "" {
				f.NoOptDefVal = "true"
			}
		}
	}
	err = flags.Parse(joinSwitches(args))
	return bad, flags.Args(), err
}

// spellings are the long options of s. A letter that has none of its own is one too,
// since pflag knows one letter for each.
func (s *setting) spellings() []string {
	names := slices.Clone(s.Flags)
	for i := len(names); len(names) > 0 && i < len(s.Short); i++ {
		names = append(names, s.Short[i:i+1])
	}
	return names
}

// without drops the option that is not known from args, in any of its forms.
func without(args []string, stranger *pflag.NotExistError) []string {
	name, letters := stranger.GetSpecifiedName(), stranger.GetSpecifiedShortnames()
	i := slices.IndexFunc(args, func(arg string) bool {
		if letters != "" {
			return strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.HasSuffix(arg, letters)
		}
		long, _, _ := strings.Cut(arg, "=")
		return strings.ReplaceAll(long, "_", "-") == "--"+strings.ReplaceAll(name, "_", "-")
	})
	if i < 0 { // cannot be; it would be found again for ever
		return nil
	}
	return slices.Concat(args[:i], args[i+1:])
}

// takeApp takes what is left of the command line for the application.
func takeApp(rest []string, into assignments) error {
	switch {
	case len(rest) > 1 && rest[0] == "dev":
		return errors.New("dev: must be the first word of the command line")
	case len(rest) > 1:
		return fmt.Errorf("%q: there can be one application only, and that is %q", rest[1], rest[0])
	case len(rest) == 1 && rest[0] == "":
		return errors.New("APP is empty; leave it out for the demonstration")
	case len(rest) == 1:
		return into.put(find("app"), Origin{Layer: CommandLine, Name: "APP"}, rest[0])
	}
	return nil
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
		valued *pflag.ValueRequiredError
		syntax *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &valued):
		s := valued.GetFlag().Value.(*option).setting
		return fmt.Errorf("--%s: needs a value: %s", valued.GetFlag().Name, s.Meta)
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: not an option", syntax.GetSpecifiedFlag())
	}
	return err
}

func unknownOption(err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	if letters := err.GetSpecifiedShortnames(); letters != "" {
		advice := cmp.Or(hint(letters), hint(name))
		if s := find(strings.ReplaceAll(letters, "-", "_")); s != nil && len(s.Flags) > 0 {
			advice = `; did you mean "--` + s.Flags[0] + `"?`
		}
		return fmt.Errorf("-%s: no such option%s", name, advice)
	}
	if advice := hint(name); advice != "" {
		return fmt.Errorf("--%s: no such option%s", name, advice)
	}
	var known []string
	for _, s := range settings {
		known = append(known, s.Flags...)
	}
	return fmt.Errorf("--%s: no such option%s", name, didYouMean(name, known, "--"))
}
