package python

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A virtual environment that is there, or is said to be, and cannot be used is said not to
// be: the application would miss its libraries without a word.
func TestEnvironmentsThatCannotBeUsed(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	warned := func(c Config) string {
		log.Reset()
		c.Chdir, c.Logger = dir, slog.New(slog.NewTextHandler(&log, nil))
		c.warnOfEnvironments()
		return log.String()
	}
	t.Setenv("VIRTUAL_ENV", "")
	if said := warned(Config{}); said != "" {
		t.Errorf("there is no environment: %s", said)
	}
	gone := filepath.Join(dir, "gone")
	t.Setenv("VIRTUAL_ENV", gone)
	if said := warned(Config{}); !strings.Contains(said, "environment="+gone) || !strings.Contains(said, "no such file") {
		t.Errorf("%s", said)
	}
	if said := warned(Config{Interpreter: "python3"}); said != "" {
		t.Errorf("another was asked for: %s", said)
	}
	t.Setenv("VIRTUAL_ENV", "")
	bin := filepath.Join(dir, ".venv", "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if said := warned(Config{}); !strings.Contains(said, "environment="+filepath.Dir(bin)) {
		t.Errorf("%s", said)
	}
	if err := os.WriteFile(filepath.Join(bin, "python"), []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := warned(Config{}); !strings.Contains(said, "permission denied") {
		t.Errorf("%s", said)
	}
	if err := os.Chmod(filepath.Join(bin, "python"), 0o700); err != nil {
		t.Fatal(err)
	}
	if said := warned(Config{}); said != "" {
		t.Errorf("%s", said)
	}
}
