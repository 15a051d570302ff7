package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// readEnvironment reads the variables that are settings. It returns a warning
// for each other variable that looks like a misspelled one: the name is not an
// error, since the application may have use for it.
func readEnvironment(environ []string, into assignments) (warnings []string, err error) {
	env := make(map[string]string)
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		env[name] = v
	}
	var known []string
	var bad []error
	for _, s := range settings {
		found := false
		for _, variable := range s.variables() {
			known = append(known, variable.Name)
			v, ok := env[variable.Name]
			if !ok || v == "" || found {
				continue
			}
			found = true
			bad = append(bad, fromVariable(s, variable, v, into))
		}
	}
	for name := range env {
		if strings.HasPrefix(name, prefix) && !slices.Contains(known, name) {
			if hint := didYouMean(name, known, ""); hint != "" {
				warnings = append(warnings, fmt.Sprintf("environment variable %s is not a setting%s", name, hint))
			}
		}
	}
	slices.Sort(warnings)
	return warnings, errors.Join(bad...)
}

func fromVariable(s *setting, variable Variable, v string, into assignments) error {
	values := []string{v}
	if s.Many {
		values = splitList(v)
	}
	for i := range values {
		values[i] = variable.Prefix + values[i]
	}
	return into.add(s, Origin{Layer: Environment, Name: variable.Name}, values...)
}
