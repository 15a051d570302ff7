package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// readFile reads the configuration file at path, called name in messages. A
// file that was not asked for need not exist. It returns the path, empty if
// there was nothing to read.
func readFile(path, name string, given bool) (assignments, string, error) {
	into := make(assignments)
	if name == "" {
		return into, "", nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !given {
		return into, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("configuration file: %w", err)
	}
	keys := make(map[string]any)
	if _, err := toml.Decode(string(data), &keys); err != nil {
		return nil, "", syntaxError(name, err)
	}
	names := make([]string, 0, len(keys))
	for key := range keys {
		names = append(names, key)
	}
	slices.Sort(names) // one message for one mistake, whatever the map's order
	var bad []error
	for _, key := range names {
		origin := Origin{File, name + ": " + key, at(name, lineOf(data, key))}
		bad = append(bad, fromKey(origin, key, keys[key], into))
	}
	return into, path, errors.Join(bad...)
}

func syntaxError(name string, err error) error {
	var at toml.ParseError
	if errors.As(err, &at) {
		return fmt.Errorf("%s, line %d: %s", name, at.Position.Line, at.Message)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// lineOf returns the line that begins with a key, or its table; 0 for none.
func lineOf(data []byte, key string) int {
	for number, line := range slices.All(strings.Split(string(data), "\n")) {
		line = strings.TrimLeft(line, " \t[\"'")
		rest, ok := strings.CutPrefix(line, key)
		if rest = strings.TrimLeft(rest, " \t\"'"); ok && rest != "" && strings.ContainsRune("=.]", rune(rest[0])) {
			return number + 1
		}
	}
	return 0
}

func fromKey(origin Origin, key string, v any, into assignments) error {
	s := find(key)
	if s == nil || s.Command || s.Name == "config" {
		return fmt.Errorf("%s: no such setting%s", origin.Name, cmp.Or(hint(key), didYouMean(key, fileKeys(), "")))
	}
	if table, ok := v.(map[string]any); ok && s.Name == "mount" && isMount(table) {
		v = []map[string]any{table} // [mount], where [[mount]] was meant
	}
	values, err := scalars(v)
	if err != nil {
		return fmt.Errorf("%s: %w", origin.Name, err)
	}
	if _, tables := v.([]map[string]any); tables && s.Name != "mount" {
		return fmt.Errorf("%s: takes no tables", origin.Name)
	}
	if _, isArray := v.([]any); isArray && !s.Many {
		return fmt.Errorf("%s: takes one value, not a list", origin.Name)
	}
	switch v := v.(type) {
	case string:
		values = elements(s, v)
	case int64:
		if s.Meta == "OCTAL" { // 022 is not TOML, and 22 is not what was meant
			return fmt.Errorf("%s: %d: write an octal number as text: %q", origin.Name, v, "022")
		}
	}
	return into.add(s, origin, values...)
}

// fileKeys returns every key that the file may hold.
func fileKeys() []string {
	var keys []string
	for _, s := range settings {
		if !s.Command && s.Name != "config" {
			keys = append(keys, s.names()...)
		}
	}
	return keys
}

// scalars spells a TOML value as the command line would. A table stands for a
// list of NAME=VALUE.
func scalars(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case int64:
		return []string{strconv.FormatInt(v, 10)}, nil
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}, nil
	case []any:
		return flatten(v)
	case []map[string]any:
		return mountTables(v)
	case map[string]any:
		return pairs(v)
	}
	return nil, fmt.Errorf("a %T has no meaning here", v)
}

func flatten(list []any) ([]string, error) {
	all := make([]string, 0, len(list))
	for _, one := range list {
		s, err := scalars(one)
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
	return all, nil
}

func pairs(table map[string]any) ([]string, error) {
	all := make([]string, 0, len(table))
	for name, v := range table {
		s, err := scalars(v)
		if err != nil {
			return nil, err
		}
		if len(s) != 1 {
			return nil, fmt.Errorf("%s: takes one value", name)
		}
		all = append(all, name+"="+s[0])
	}
	slices.Sort(all)
	return all, nil
}
