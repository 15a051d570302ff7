package gunicorn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Convert spells a value as the command line of this server would: one of gunicorn's command line, which is a
// string, or one of a conf file as JSON has it. None gives no values, unless it has a meaning of its own.
func (r *Row) Convert(v any) ([]string, error) {
	if r.as != nil {
		return r.as(v)
	}
	return plain(v)
}

// plain spells a value as it is.
func plain(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{strings.TrimSpace(v)}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}, nil
	case []any:
		var all []string
		for _, one := range v {
			s, err := plain(one)
			if err != nil {
				return nil, err
			}
			all = append(all, s...)
		}
		return all, nil
	case map[string]any:
		var all []string
		for name, one := range v {
			s, err := plain(one)
			if err != nil || len(s) != 1 {
				return nil, fmt.Errorf("%s: must be text", name)
			}
			all = append(all, name+"="+s[0])
		}
		slices.Sort(all)
		return all, nil
	}
	return nil, fmt.Errorf("a %T has no meaning here", v)
}

// commas takes lists of which gunicorn's form is one text.
func commas(v any) ([]string, error) {
	all, err := plain(v)
	var split []string
	for _, one := range all {
		for part := range strings.SplitSeq(one, ",") {
			if part = strings.TrimSpace(part); part != "" {
				split = append(split, part)
			}
		}
	}
	return split, err
}

// addresses adds gunicorn's port to addresses that have none.
func addresses(v any) ([]string, error) {
	all, err := plain(v)
	for i, one := range all {
		one = strings.TrimPrefix(strings.TrimPrefix(one, "tcp://"), "//")
		if path, ok := strings.CutPrefix(one, "unix://"); ok {
			one = "unix:" + path
		}
		bare := !strings.HasPrefix(one, "unix:") && !strings.HasPrefix(one, "fd:")
		if bare && (!strings.Contains(one, ":") || strings.HasSuffix(one, "]")) {
			one = cmp.Or(one, "0.0.0.0") + ":8000"
		}
		all[i] = one
	}
	return all, err
}

// octal takes a mask: a number, or text that is one as gunicorn reads it.
func octal(v any) ([]string, error) {
	n, ok := v.(float64)
	if s, isText := v.(string); isText {
		s = strings.TrimSpace(s)
		if len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9' {
			s = "0o" + s[1:]
		}
		i, err := strconv.ParseInt(s, 0, 32)
		if err != nil {
			return nil, errors.New("must be a number, octal if it begins with 0")
		}
		n, ok = float64(i), true
	}
	switch {
	case v == nil:
		return nil, nil
	case !ok || n < 0 || n > 0o7777 || n != float64(int(n)):
		return nil, errors.New("must be a number, octal if it begins with 0")
	}
	return []string{fmt.Sprintf("%03o", int(n))}, nil
}

// noneIs gives None a meaning.
func noneIs(text string) func(any) ([]string, error) {
	return func(v any) ([]string, error) {
		if v == nil {
			return []string{text}, nil
		}
		return plain(v)
	}
}

// atLeast takes 0 for the least that there can be.
func atLeast(least string) func(any) ([]string, error) {
	return func(v any) ([]string, error) {
		all, err := plain(v)
		if len(all) == 1 && all[0] == "0" {
			return []string{least}, err
		}
		return all, err
	}
}

// withoutDot takes a prefix of StatsD's as gunicorn does, which adds the dot if there is none.
func withoutDot(v any) ([]string, error) {
	all, err := plain(v)
	for i := range all {
		all[i] = strings.TrimSuffix(all[i], ".")
	}
	return all, err
}

// cleartext takes the ways that gunicorn knows beside ours for what includes ours.
func cleartext(v any) ([]string, error) {
	all, err := plain(v)
	for i := range all {
		if all[i] == "both" || all[i] == "upgrade" {
			all[i] = "prior-knowledge"
		}
	}
	return all, err
}

// tlsVersion takes names and numbers of Python's ssl module. Those that leave the choice to it set nothing.
func tlsVersion(v any) ([]string, error) {
	all, err := plain(v)
	if len(all) != 1 {
		return nil, err
	}
	switch strings.TrimPrefix(all[0], "PROTOCOL_") {
	case "2", "16", "17", "TLS", "TLS_SERVER", "TLS_CLIENT", "SSLv23":
		return nil, nil
	case "5", "TLSv1_2":
		return []string{"TLSv1_2"}, nil
	case "3", "4", "TLSv1", "TLSv1_1":
		return nil, errors.New("clients and servers have done away with TLS before 1.2: TLSv1_2 is the lowest")
	}
	return all, nil
}

// classes are the worker classes of gunicorn and others by the last parts of their names, and our models.
var classes = map[string]string{
	"SyncWorker": "sync", "ThreadWorker": "gthread", "GeventWorker": "gevent", "GeventPyWSGIWorker": "gevent", "GeventWebSocketWorker": "gevent",
	"TornadoWorker": "tornado", "ASGIWorker": "asgi", "UvicornWorker": "asgi", "UvicornH11Worker": "asgi",
}

// shortClasses are gunicorn's own names for some.
var shortClasses = map[string]string{"eventlet": "gevent", "gevent_wsgi": "gevent", "gevent_pywsgi": "gevent"}

// workerClass takes a model's name, the dotted one of a class, "egg:gunicorn#sync", or a class, which is told by
// the names of its line of ancestors. The model for a class that nobody knows follows from the application.
func workerClass(v any) ([]string, error) {
	all, err := plain(v)
	if len(all) == 0 {
		return nil, err
	}
	for _, name := range all {
		if _, short, ok := strings.Cut(name, "#"); ok {
			name = short
		}
		if to, ok := shortClasses[name]; ok {
			return []string{to}, err
		}
		if to, ok := classes[name[strings.LastIndexByte(name, '.')+1:]]; ok {
			return []string{to}, err
		}
		if !strings.Contains(name, ".") {
			return []string{name}, err
		}
	}
	return nil, &StrangerError{Class: all[0]}
}

// StrangerError is a worker class that this server has no model for. It runs none but its own: the model
// follows from the application.
type StrangerError struct{ Class string }

func (e *StrangerError) Error() string {
	return "workers are this server's own, and no class of another: the model follows from the application"
}

// Significant tells whether a value of a setting that does nothing here asks for something.
func Significant(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
