package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/bench/peers"
)

// Every case must be runnable: its servers exist, its targets speak of them,
// and what is to speak TLS can.
func TestCasesAreSound(t *testing.T) {
	used, ids := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		if ids[c.id] {
			t.Errorf("two cases are called %s", c.id)
		}
		ids[c.id] = true
		for _, id := range c.servers {
			used[id] = true
			p, err := peers.ByID(id)
			if err != nil {
				t.Errorf("case %s: %v", c.id, err)
			}
			if c.load.TLS && !p.SpeaksTLS() {
				t.Errorf("case %s: %s has no TLS", c.id, id)
			}
		}
		for _, target := range c.targets {
			for _, id := range []string{target.Ours, target.Reference} {
				if id != "" && !slices.Contains(c.servers, id) {
					t.Errorf("case %s: a target names %s, which is not run", c.id, id)
				}
			}
		}
	}
	for _, p := range peers.All {
		if !used[p.ID] {
			t.Errorf("peer %s is in no case", p.ID)
		}
	}
}

func TestWantedKeepsWhatTargetsName(t *testing.T) {
	c := cases[slices.IndexFunc(cases, func(c benchCase) bool { return c.id == "wsgi" })]
	if got := c.wanted(false); !slices.Equal(got, []string{"asteri-gthread", "asteri-sync", "granian-wsgi"}) {
		t.Errorf("quick run of wsgi: %v", got)
	}
	if got := c.wanted(true); len(got) != len(c.servers) {
		t.Errorf("full run of wsgi: %v", got)
	}
}

// A case against an earlier binary has our servers in pairs, and one target each.
func TestAgainstPairsOurServers(t *testing.T) {
	c := cases[slices.IndexFunc(cases, func(c benchCase) bool { return c.id == "wsgi" })].against()
	if len(c.servers) == 0 || len(c.servers) != 2*len(c.targets) {
		t.Fatalf("servers %v, targets %v", c.servers, c.targets)
	}
	r := runner{place: peers.Place{Bin: "bin"}}
	for i, target := range c.targets {
		if c.servers[2*i] != target.Ours || c.servers[2*i+1] != target.Reference {
			t.Errorf("servers %v, target %+v", c.servers[2*i:2*i+2], target)
		}
		now, at, err := r.peer(target.Ours)
		before, was, errBefore := r.peer(target.Reference)
		if err != nil || errBefore != nil || at.Bin == was.Bin || now.Name == before.Name {
			t.Errorf("%s: %v, %v; binaries in %s and %s, called %s and %s", target.Ours, err, errBefore, at.Bin, was.Bin, now.Name, before.Name)
		}
	}
	if _, _, err := r.peer("nothing" + earlier); err == nil {
		t.Error("an unknown peer was found")
	}
}

// Prepare must leave no placeholder, in commands and in configuration.
func TestPrepareFillsEverything(t *testing.T) {
	for _, p := range peers.All {
		for _, useTLS := range []bool{false, true} {
			if useTLS && !p.SpeaksTLS() {
				continue
			}
			tmp := t.TempDir()
			at := peers.Place{Dir: "peers", Bin: "/b", Venv: "/v", Tmp: tmp, Cert: "/c", Key: "/k", Port: 4711}
			argv, err := p.Prepare(at, useTLS)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(argv, " ")
			if p.Conf != "" {
				b, err := os.ReadFile(filepath.Join(tmp, p.Conf))
				if err != nil {
					t.Fatal(err)
				}
				text += strings.ReplaceAll(string(b), "{..}", "")
			}
			for _, name := range []string{"{port}", "{tmp}", "{cert}", "{key}", "{bin}", "{venv}", "{ssl}", "{otlp}"} {
				if strings.Contains(text, name) {
					t.Errorf("%s, TLS %v: %s is left: %s", p.ID, useTLS, name, text)
				}
			}
			if !strings.Contains(text, "4711") {
				t.Errorf("%s, TLS %v: no port: %s", p.ID, useTLS, text)
			}
		}
	}
	if _, err := (peers.Peer{ID: "plain"}).Prepare(peers.Place{}, true); err == nil {
		t.Error("TLS was promised by a peer that cannot")
	}
}

func TestFlags(t *testing.T) {
	for line, ok := range map[string]bool{
		"": true, "-quick": true, "-rounds 2 -duration 3s": true,
		"-rounds -1": false, "-duration 1500ms": false, "word": false, "-no-such": false,
	} {
		o, err := parse(strings.Fields(line))
		if (err == nil) != ok {
			t.Errorf("%q: %v", line, err)
		}
		if line == "-quick" && (o.rounds != 3 || o.duration.Seconds() != 2) {
			t.Errorf("-quick: %+v", o)
		}
	}
	if _, err := choose("go,nothing", false); err == nil {
		t.Error("an unknown case was accepted")
	}
	if got, err := choose("", true); err != nil || len(got) == 0 || len(got) >= len(cases) {
		t.Errorf("choose for a quick run: %d of %d cases, %v", len(got), len(cases), err)
	}
	if got, err := choose("idle,go", true); err != nil || got[0].id != "idle" || got[1].id != "go" {
		t.Errorf("choose: %v, %v", got, err)
	}
}
