//go:build linux

package suite

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/settings/gunicorn"
	"github.com/asteri/asteri-loop/internal/settings/peers"
)

// TestTableOfGunicorn: every setting of the installed gunicorn is in the table, with its options as they are there.
func TestTableOfGunicorn(t *testing.T) {
	t.Parallel()
	const program = `
import inspect, json
from gunicorn import config
arity = lambda v: len(inspect.signature(v).parameters) if inspect.isfunction(v) else 0
print(json.dumps([[s.name, " ".join(s.cli or ()), s.action or "", s.nargs or "", s.const, arity(s().get())] for s in config.KNOWN_SETTINGS]))`
	out, err := exec.Command(python, "-c", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs [][]any
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for _, s := range theirs {
		row := gunicorn.Find(s[0].(string))
		if row == nil {
			t.Errorf("%s is not in the table", s[0])
			continue
		}
		takes := gunicorn.One
		switch {
		case s[2] == "append":
			takes = gunicorn.Many
		case s[2] == "store_true" || s[2] == "store_const":
			takes = gunicorn.None
		case s[3] == "?":
			takes = gunicorn.Optional
		}
		equal(t, row.Name+": options", row.Flags, s[1].(string))
		if row.Flags != "" {
			equal(t, row.Name+": what they take", row.Takes, takes)
		}
		if arity := int(s[5].(float64)); arity > 0 {
			equal(t, row.Name+": arguments", row.Arity, arity)
		}
	}
	equal(t, "settings", len(gunicorn.Rows), len(theirs))
}

// TestTablesOfPeers: every option in the help of the installed uvicorn and granian is in their tables, as a switch if it
// is one, and no other.
func TestTablesOfPeers(t *testing.T) {
	t.Parallel()
	option := regexp.MustCompile(`--[a-z0-9-]+`)
	for _, server := range peers.Servers {
		command := exec.Command(filepath.Join(filepath.Dir(python), server.Name), "--help")
		command.Env = []string{"COLUMNS=200", "LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		var there []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "  --") {
				continue
			}
			head, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			isSwitch := !strings.ContainsAny(option.ReplaceAllString(head, ""), "ABCDEFGHIJKLMNOPQRSTUVWXYZ[")
			for _, name := range option.FindAllString(head, -1) {
				name = strings.TrimPrefix(name, "--")
				there = append(there, name)
				o := server.Find(name)
				if o == nil {
					t.Errorf("%s --%s is not in the table", server.Name, name)
				} else if o.Switch != isSwitch {
					t.Errorf("%s --%s: a switch %v", server.Name, name, isSwitch)
				}
			}
		}
		for _, o := range server.Options {
			for name := range strings.FieldsSeq(o.Names) {
				if !slices.Contains(there, name) {
					t.Errorf("%s has no --%s", server.Name, name)
				}
			}
		}
	}
}
