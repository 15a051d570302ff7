package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ownPath is a path of the server's own, which is compared byte by byte.
func ownPath(s string) (string, error) {
	if len(s) < 2 || s[0] != '/' || strings.HasSuffix(s, "/") || strings.Contains(s, "//") || strings.Contains(s, "/.") {
		return "", errors.New("must be a path that begins with / and does not end with it")
	}
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/-._~", r)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return "", errors.New("must have letters, digits and -._~ only")
	}
	return s, nil
}

// hostName is a name without a port.
func hostName(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, ":/*@ ") {
		return "", errors.New("must be a name without a port: status.example.com")
	}
	return strings.ToLower(s), nil
}

// shortestToken is long enough that nobody guesses it, if it was not chosen badly.
const shortestToken = 16

// token is a secret that fits into a field and a cookie.
func token(s string) (string, error) {
	if s == "" {
		return s, nil
	}
	if len(s) < shortestToken || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("must be at least %d characters of ASCII without spaces", shortestToken)
	}
	return s, nil
}

// checkPaths refuses paths of the server's own that take each other's place.
func (c *Config) checkPaths() error {
	own := []struct{ name, path string }{{"status_path", c.Server.Status.Path}, {"live_path", c.Server.Status.LivePath}, {"ready_path", c.Server.Status.ReadyPath}, {"metrics_path", c.Server.Metrics.Path}}
	for i, a := range own {
		for _, b := range own[i+1:] {
			if a.path == b.path || strings.HasPrefix(b.path, c.Server.Status.Path+"/") || b.path == c.Server.Status.Path+".json" {
				return fmt.Errorf("%s and %s: %s and %s are in each other's way", c.Origin(a.name), c.Origin(b.name), a.path, b.path)
			}
		}
	}
	return nil
}

// Row is a setting and its value, for people to read.
type Row struct{ Name, Value, Origin string }

// Rows returns all settings of the server. Secrets are masked.
func (c *Config) Rows() []Row {
	var rows []Row
	for _, s := range settings {
		if s.at == nil || s.Command || s.Name == "config" {
			continue
		}
		rows = append(rows, Row{s.Name, s.shown(c), c.origins[s.Name].String()})
	}
	return rows
}

// mask stands for a secret, whatever its length.
const mask = "********"

// shown is the setting's value as far as everyone may see it.
func (s *setting) shown(c *Config) string {
	v := s.at(c)
	if !s.Secret && s.Name != "mount" {
		return v.TOML()
	}
	var masked []string
	switch v := v.(type) {
	case listValue:
		for _, one := range *v.at {
			masked = append(masked, strconv.Quote(s.hide(one)))
		}
		return "[" + strings.Join(masked, ", ") + "]"
	case textValue:
		if *v.at == "" {
			return `""`
		}
	}
	return strconv.Quote(mask)
}

// hide masks one value if it is a secret, of NAME=VALUE the value, or those in it.
func (s *setting) hide(value string) string {
	name, _, pair := strings.Cut(value, "=")
	switch {
	case s.Name == "mount":
		return hideMount(value)
	case !s.Secret, s.Many && !pair:
		return value
	case s.Many:
		return name + "=" + mask
	}
	return mask
}
