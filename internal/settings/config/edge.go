package config

import (
	"errors"
	"strings"

	"github.com/asteri/asteri-loop/internal/edge/compress"
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
	if err := checkPrefix(strings.TrimRight(prefix, "/")); err != nil {
		return "", err
	}
	return s, nil
}

// coding checks a content coding, perhaps with its level.
func coding(s string) (string, error) {
	s = strings.ToLower(s)
	_, err := compress.ParseCoding(s)
	return s, err
}

// mediaType checks type/subtype or type/*.
func mediaType(s string) (string, error) {
	s = strings.ToLower(s)
	kind, subtype, ok := strings.Cut(s, "/")
	if !ok || kind == "" || subtype == "" || strings.ContainsAny(s, "; ,") || strings.Contains(strings.TrimSuffix(s, "/*"), "*") {
		return "", errors.New("must be a media type: text/html or text/*")
	}
	return s, nil
}
