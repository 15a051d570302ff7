package process

import (
	"bytes"
	"errors"
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
	warned := func(c Python) string {
		log.Reset()
		c.Chdir, c.Log = dir, slog.New(slog.NewTextHandler(&log, nil))
		c.WarnOfEnvironments()
		return log.String()
	}
	t.Setenv("VIRTUAL_ENV", "")
	if said := warned(Python{}); said != "" {
		t.Errorf("there is no environment: %s", said)
	}
	gone := filepath.Join(dir, "gone")
	t.Setenv("VIRTUAL_ENV", gone)
	if said := warned(Python{}); !strings.Contains(said, "environment="+gone) || !strings.Contains(said, "no such file") {
		t.Errorf("%s", said)
	}
	if said := warned(Python{Interpreter: "python3"}); said != "" {
		t.Errorf("another was asked for: %s", said)
	}
	t.Setenv("VIRTUAL_ENV", "")
	bin := filepath.Join(dir, ".venv", "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if said := warned(Python{}); !strings.Contains(said, "environment="+filepath.Dir(bin)) {
		t.Errorf("%s", said)
	}
	if err := os.WriteFile(filepath.Join(bin, "python"), []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := warned(Python{}); !strings.Contains(said, "permission denied") {
		t.Errorf("%s", said)
	}
	if err := os.Chmod(filepath.Join(bin, "python"), 0o700); err != nil {
		t.Fatal(err)
	}
	if said := warned(Python{}); said != "" {
		t.Errorf("%s", said)
	}
}

func TestInterpreter(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, ".venv", "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(bin, "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VIRTUAL_ENV", "")
	for _, c := range []Python{
		{Chdir: dir, App: "app"}, {Chdir: "/", App: filepath.Join(dir, "app.py") + ":app"}, {Interpreter: python},
	} {
		if got, err := c.Find(); got != python || err != nil {
			t.Errorf("%+v: got %s, %v", c, got, err)
		}
	}
	t.Setenv("VIRTUAL_ENV", filepath.Join(dir, ".venv"))
	if got, err := (&Python{Chdir: "/"}).Find(); got != python || err != nil {
		t.Errorf("VIRTUAL_ENV: got %s, %v", got, err)
	}
	t.Setenv("PATH", "")
	t.Setenv("VIRTUAL_ENV", "")
	var boot *BootError
	if _, err := (&Python{Chdir: "/"}).Find(); !errors.As(err, &boot) || boot.Hint == "" {
		t.Errorf("no Python: %v", err)
	}
}
