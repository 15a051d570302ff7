// Package peers knows the command lines of servers that are not gunicorn: what each option is here, or why it is
// nothing. It knows names only, as package gunicorn does.
package peers

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/suggest"
)

// Server is another server, by its command line.
type Server struct {
	Name    string
	Options []Option
	// Note says what is otherwise here though no option says so.
	Note string
}

// Option is one of its options, or several that are treated alike.
type Option struct {
	// Names are spelled without dashes, with spaces between.
	Names string
	// Switch says that it takes no value.
	Switch bool
	// Here are the words that say the same here. {} stands for the value.
	Here string
	// Instead says what to do in place of it, for who gives it to this server, and where there is nothing
	// in Here why nothing is.
	Instead string

	// as turns the value into ours, or into the whole of the words if Here is empty; a value that is
	// nothing here makes no words, and why says the reason.
	as func(v string) (to, why string)
	// joined says that Translate has a use for it, together with others.
	joined bool
}

// Left is an option that was given and is nothing here.
type Left struct{ Option, Why string }

// Servers are those that are known.
var Servers = []*Server{&uvicorn, &granian}

// Find returns the server of that name, or nil.
func Find(name string) *Server {
	for _, s := range Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Find returns the option of that name, without its dashes, or nil.
func (s *Server) Find(name string) *Option {
	for i := range s.Options {
		if slices.Contains(strings.Fields(s.Options[i].Names), name) {
			return &s.Options[i]
		}
	}
	return nil
}

// Advice says what to do in place of an option of one of them; nothing if there is no such one.
func Advice(name string) string {
	for _, s := range Servers {
		if o := s.Find(name); o != nil && o.Instead != "" {
			return o.Instead
		}
	}
	return ""
}

// Translate returns the words that say here what a command line says there, and which of its options are left out. Its
// error names all that is wrong.
func (s *Server) Translate(args []string) (command []string, left []Left, err error) {
	given := make(map[string][]string)
	var bad []error
	var app string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, joined := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") {
			if app != "" {
				bad = append(bad, fmt.Errorf("%q: there can be one application only, and that is %q", arg, app))
			}
			app = arg
			continue
		}
		o := s.Find(name)
		switch {
		case o == nil:
			bad = append(bad, s.unknown(name))
			continue
		case o.Switch && joined:
			bad = append(bad, fmt.Errorf("--%s: takes no value", name))
		case !o.Switch && !joined && len(args) == 0:
			bad = append(bad, fmt.Errorf("--%s: needs a value", name))
		case !o.Switch && !joined:
			value, args = args[0], args[1:]
		}
		given[name] = append(given[name], value)
		words, why := o.words(value)
		command = append(command, words...)
		if why != "" {
			left = append(left, Left{"--" + name, why})
		}
	}
	if given["factory"] != nil {
		app = factory(app)
	}
	command = slices.Concat(listener(given), static(given), command)
	if app != "" {
		command = append(command, app)
	}
	return command, left, errors.Join(bad...)
}

func (s *Server) unknown(name string) error {
	var known []string
	for _, o := range s.Options {
		known = append(known, strings.Fields(o.Names)...)
	}
	if near := suggest.Nearest(name, known); near != "" {
		return fmt.Errorf("--%s: %s has no such option; did you mean \"--%s\"?", name, s.Name, near)
	}
	return fmt.Errorf("--%s: %s has no such option", name, s.Name)
}

// words are what the option is here with a value, or else why it is nothing.
func (o *Option) words(value string) (words []string, why string) {
	if o.as != nil {
		if value, why = o.as(value); value == "" {
			return nil, why
		}
	}
	switch {
	case o.joined:
		return nil, ""
	case o.Here == "" && o.as != nil:
		return strings.Fields(value), why
	case o.Here == "":
		return nil, o.Instead
	}
	for word := range strings.FieldsSeq(o.Here) {
		words = append(words, strings.ReplaceAll(word, "{}", value))
	}
	return words, why
}

// listener is --host and --port as an address.
func listener(given map[string][]string) []string {
	host, port := given["host"], given["port"]
	if host == nil && port == nil {
		return nil
	}
	last := func(of []string, otherwise string) string {
		if len(of) == 0 {
			return otherwise
		}
		return of[len(of)-1]
	}
	return []string{"--bind", net.JoinHostPort(last(host, "127.0.0.1"), last(port, "8000"))}
}

// factory is the application that a factory makes.
func factory(app string) string {
	if app == "" || strings.HasSuffix(app, ")") {
		return app
	}
	return app + "()"
}

// oneOf takes names of ours in place of theirs; others are nothing, for the reason why.
func oneOf(why string, names map[string]string) func(string) (string, string) {
	return func(v string) (string, string) {
		if to := names[v]; to != "" {
			return to, ""
		}
		return "", cmp.Or(why, "there is no "+v+" here")
	}
}
