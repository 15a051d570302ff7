package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/server"
)

// This file translates what users say into what packages take.

// noneValue is a value of which users say by 0 that there is none. Packages say so by a
// negative number, since there 0 is the default.
type noneValue[T int | int64 | time.Duration] struct {
	at *T
	as func(at *T) value
}

func (v noneValue[T]) Set(s string) error {
	var n T
	if err := v.as(&n).Set(s); err != nil {
		return err
	}
	if *v.at = n; n == 0 {
		*v.at = -1
	}
	return nil
}

func (v noneValue[T]) TOML() string {
	n := max(*v.at, 0)
	return v.as(&n).TOML()
}

func numberOrNone(at *int) value {
	return noneValue[int]{at, func(at *int) value { return number(at, 0, unbounded) }}
}

func durationOrNone(at *time.Duration) value {
	return noneValue[time.Duration]{at, func(at *time.Duration) value { return duration(at, 0, longest) }}
}

func sizeOrNone[T int | int64](at *T, low, high int64) value {
	return noneValue[T]{at, func(at *T) value { return size(at, low, high) }}
}

// opposite is a switch that is on by default, of a field that says that it is off.
type opposite struct{ at *bool }

func (v opposite) Set(s string) error {
	var on bool
	err := boolean(&on).Set(s)
	*v.at = !on
	return err
}

func (v opposite) TOML() string { return strconv.FormatBool(!*v.at) }

// namedValue has a name for each of its values.
type namedValue[T comparable] struct {
	at       *T
	synonyms map[string]string
	names    []string
	values   []T
}

func (v namedValue[T]) Set(s string) error {
	var name string
	if err := choice(&name, v.synonyms, v.names...).Set(s); err != nil {
		return err
	}
	*v.at = v.values[slices.Index(v.names, name)]
	return nil
}

func (v namedValue[T]) TOML() string { return strconv.Quote(v.names[slices.Index(v.values, *v.at)]) }

// switched is a switch whose positions have names.
func switched(at *bool, synonyms map[string]string, no, yes string) value {
	return namedValue[bool]{at, synonyms, []string{no, yes}, []bool{false, true}}
}

// pairsValue is a list of NAME=VALUE that are kept apart.
type pairsValue[T any] struct {
	at    *[]T
	check func(string) (string, error)
	join  func(name, value string) T
	part  func(T) (name, value string)
}

func (v pairsValue[T]) Set(s string) error {
	s, err := v.check(s)
	if err != nil {
		return err
	}
	name, value, _ := strings.Cut(s, "=")
	*v.at = append(*v.at, v.join(name, value))
	return nil
}

func (v pairsValue[T]) TOML() string {
	texts := make([]string, len(*v.at))
	for i, one := range *v.at {
		name, value := v.part(one)
		texts[i] = name + "=" + value
	}
	return list(&texts, nil).TOML()
}

func folders(at *[]server.Folder) value {
	return pairsValue[server.Folder]{
		at, staticMount,
		func(prefix, dir string) server.Folder { return server.Folder{Prefix: prefix, Dir: dir} },
		func(f server.Folder) (prefix, dir string) { return f.Prefix, f.Dir },
	}
}

func secureSchemes(at *[]server.SecureScheme) value {
	return pairsValue[server.SecureScheme]{
		at, secureScheme,
		func(name, secure string) server.SecureScheme { return server.SecureScheme{Name: name, Secure: secure} },
		func(s server.SecureScheme) (name, secure string) { return s.Name, s.Secure },
	}
}

// keepAliveValue is a time of which 0 says that no connection is kept.
type keepAliveValue struct{ of *server.Config }

func (v keepAliveValue) Set(s string) error {
	err := duration(&v.of.Timeouts.KeepAlive, 0, longest).Set(s)
	v.of.NoKeepAlive = v.of.Timeouts.KeepAlive == 0
	return err
}

func (v keepAliveValue) TOML() string { return duration(&v.of.Timeouts.KeepAlive, 0, longest).TOML() }
