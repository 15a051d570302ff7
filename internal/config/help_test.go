package config

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated documentation")

func TestDocsAreFresh(t *testing.T) {
	const path = "../../docs/settings.md"
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
		t.Errorf("%s is stale: run go test ./internal/config -run Docs -update", path)
	}
}

func TestHelp(t *testing.T) {
	var b strings.Builder
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
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

// TestElsewhere: what is named for other servers' options is there, and they are not.
func TestElsewhere(t *testing.T) {
	known := make(map[string]bool)
	for _, s := range settings {
		for _, f := range s.Flags {
			known[f] = true
		}
	}
	others := maps.Clone(elsewhere)
	for _, g := range gunicorns {
		for name := range strings.FieldsSeq(g.names) {
			others[name] = g.instead
			if s := find(strings.ReplaceAll(name, "-", "_")); s != nil {
				t.Errorf("%s is a setting of our own", name)
			}
		}
	}
	for name, ours := range others {
		if known[name] {
			t.Errorf("--%s is an option of our own", name)
		}
		for word := range strings.FieldsSeq(ours) {
			if flag, ok := strings.CutPrefix(strings.TrimSuffix(word, ","), "--"); ok && !known[flag] {
				t.Errorf("--%s: there is no --%s", name, flag)
			}
		}
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
