package config

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated documentation")

func TestDocsAreFresh(t *testing.T) {
	const path = "../../../docs/settings.md"
	var want bytes.Buffer
	if err := WriteDocs(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is stale: run go test ./internal/settings/config -run Docs -update", path)
	}
}

func TestHelp(t *testing.T) {
	text := helpOn(t, everything)
	for n, line := range strings.Split(text, "\n") {
		if len(line) > helpWidth {
			t.Errorf("line %d is too long: %q", n+1, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("line %d ends in space: %q", n+1, line)
		}
	}
	for _, s := range settings {
		for _, f := range s.Flags {
			if !strings.Contains(text, "--"+f) {
				t.Errorf("--%s is missing", f)
			}
		}
	}
	if !strings.Contains(text, "\n  -b, -l, --bind, --listen ADDRESS\n") || !strings.Contains(text, "\n  -t, --timeout TIME") {
		t.Errorf("unexpected spelling:\n%s", text)
	}
}

func helpOn(t *testing.T, topic string) string {
	t.Helper()
	var b strings.Builder
	if err := WriteHelp(&b, topic); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHelpIsAPage: what a first day needs fits on a screen, and names where the rest is.
func TestHelpIsAPage(t *testing.T) {
	text := helpOn(t, "")
	if lines := strings.Count(text, "\n"); lines > 70 {
		t.Errorf("%d lines", lines)
	}
	for n, line := range strings.Split(text, "\n") {
		if len(line) > helpWidth {
			t.Errorf("line %d is too long: %q", n+1, line)
		}
	}
	for _, want := range append([]string{"app:app", "--workers", "--certfile", "help all"}, topicNames()...) {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// TestHelpTopics: each option is in one topic, and can be asked for by its names.
func TestHelpTopics(t *testing.T) {
	count := make(map[string]int)
	for _, name := range topicNames() {
		text := helpOn(t, name)
		for _, s := range settings {
			if len(s.Flags) > 0 && strings.Contains(text, "\n  "+s.spelling()) {
				count[s.Name]++
			}
		}
	}
	for _, s := range settings {
		if len(s.Flags) > 0 && count[s.Name] != 1 {
			t.Errorf("%s is in %d topics", s.Name, count[s.Name])
		}
		for _, f := range s.Flags {
			if groupsOf(f) == nil && !strings.Contains(helpOn(t, f), s.spelling()) {
				t.Errorf("help %s", f)
			}
		}
	}
	for topic, want := range map[string]string{
		"-t": "in the environment      ASTERI_TIMEOUT\n", "--timeout": "in the file             timeout\n", "TLS": "\n  --certfile FILE",
		"max_body_size": "--max-body-size SIZE", "Server Socket": "--backlog INT", "app": "ASTERI_WSGI_APP",
	} {
		if text := helpOn(t, topic); !strings.Contains(text, strings.TrimPrefix(want, "\n")) {
			t.Errorf("%s:\n%s", topic, text)
		}
	}
	err := WriteHelp(io.Discard, "worker")
	if err == nil || !strings.Contains(err.Error(), `"worker" is no topic and no option; did you mean "workers"?; topics: general, `) {
		t.Errorf("%v", err)
	}
}

// TestTable holds the rows to what the rest of the package takes for granted.
func TestTable(t *testing.T) {
	taken := make(map[string]string)
	claim := func(s *setting, name string) {
		if other, ok := taken[name]; ok {
			t.Errorf("%s: %s belongs to %s already", s.Name, name, other)
		}
		taken[name] = s.Name
	}
	for _, s := range settings {
		for _, n := range s.names() {
			claim(s, "key "+n)
		}
		for _, f := range s.Flags {
			claim(s, "--"+f)
		}
		for _, l := range s.Short {
			claim(s, "-"+string(l))
		}
		if s.at == nil && s.expand == nil {
			t.Errorf("%s does nothing", s.Name)
		}
		if !strings.HasSuffix(s.Help, ".") || s.Group == "" {
			t.Errorf("%s: help must be sentences, in a group", s.Name)
		}
		for _, d := range s.defaults() {
			if s.at(&Config{}).Set(d) != nil {
				t.Errorf("%s: its default is not a value of it", s.Name)
			}
		}
	}
}
