package config

import (
	"errors"
	"strings"
)

// staticMount checks /prefix=dir.
func staticMount(s string) (string, error) {
	prefix, dir, ok := strings.Cut(s, "=")
	if !ok || dir == "" {
		return "", errors.New("must be a path and a directory: /static=assets")
	}
	if !strings.HasPrefix(prefix, "/") {
		return "", errors.New("the path must begin with /")
	}
	if strings.ContainsAny(prefix, "%?#\\") || strings.Contains(prefix+"/", "/./") ||
		strings.Contains(prefix+"/", "/../") || strings.Contains(prefix, "//") {
		return "", errors.New("the path must be plain: no escapes, no query, no empty or dot segments")
	}
	return s, nil
}
