package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/bench/overload/attack"
)

func TestCasesAreSound(t *testing.T) {
	for _, c := range cases {
		if _, ours := applications[c.server]; !ours && c.server != "nginx" {
			t.Errorf("%s: no server is called %q", c.attack, c.server)
		}
		if c.sockets && c.server != "asgi" {
			t.Errorf("%s: %s has no WebSockets", c.attack, c.server)
		}
		for _, p := range c.plans {
			if !slices.Contains(attack.Kinds(), p.Kind) {
				t.Errorf("%s: no attack is called %q", c.attack, p.Kind)
			}
			if p.Kind == "quic-stalled" && !c.tls {
				t.Errorf("%s: HTTP/3 needs TLS", c.attack)
			}
		}
	}
}

func TestDescriptorsAreScaledToTheLimit(t *testing.T) {
	c := connections("nginx")
	if got := c.within(descriptors); got.title != c.title || got.descriptors != descriptors {
		t.Errorf("within its limit: %+v", got)
	}
	got := c.within(1000)
	if got.descriptors != 1000 || got.plans[0].Connections != 500 || !strings.Contains(got.title, "1000") {
		t.Errorf("beyond its limit: %+v", got)
	}
	if c.plans[0].Connections != descriptors/2 {
		t.Error("the case itself was changed")
	}
}

func TestFlags(t *testing.T) {
	for line, ok := range map[string]bool{
		"": true, "-budget 1,2 -duration 2s": true, "-budget 0": false, "-budget x": false,
		"-duration 1ms": false, "-duration 2m": false, "word": false, "-no-such": false,
	} {
		if _, err := parse(strings.Fields(line)); (err == nil) != ok {
			t.Errorf("%q: %v", line, err)
		}
	}
	if got, err := choose("uploads", "wsgi"); err != nil || len(got) != 1 || got[0].server != "wsgi" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, list := range [][2]string{{"nothing", ""}, {"", "nobody"}, {"ws-inflate", "nginx"}} {
		if _, err := choose(list[0], list[1]); err == nil {
			t.Errorf("%v was accepted", list)
		}
	}
}

// Requests that become due while another is under way on their connection wait, too.
func TestWhatIsDueMeanwhileCounts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	s := &series{every: time.Millisecond, timeout: time.Minute, serial: true, once: func(context.Context) error {
		if calls++; calls == 2 {
			cancel()
		}
		return nil
	}}
	s.run(ctx, time.Now().Add(-100*time.Millisecond)) // as if the first had taken so long
	got := s.between(0, time.Minute)
	if len(got) < 100 || got[0].took < 100*time.Millisecond || got[1].took != got[0].took-time.Millisecond {
		t.Errorf("%d requests, %v", len(got), got[:min(len(got), 3)])
	}
}

// seriesOf is one with a request each 10 ms that takes so long; -1 fails.
func seriesOf(took ...time.Duration) *series {
	s := &series{every: 10 * time.Millisecond, timeout: time.Second}
	for i, d := range took {
		one := sample{due: time.Duration(i) * s.every, took: d}
		if d < 0 {
			one.took, one.err = time.Millisecond, errors.New("failed")
		}
		s.samples = append(s.samples, one)
	}
	return s
}

func repeated(n int, d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }

func TestSummaryCountsAFailureAsTheWholeTimeout(t *testing.T) {
	s := seriesOf(append(repeated(97, time.Millisecond), -1, -1, 2*time.Second)...)
	got := s.summarize(0, time.Second)
	if want := (summary{Asked: 100, Failed: 2, P50: 1, P99: 1000, Max: 2000, Error: "failed"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := s.summarize(0, 500*time.Millisecond); got.Asked != 50 || got.Failed != 0 || got.Max != 1 {
		t.Errorf("the first half: %+v", got)
	}
	if got := s.summarize(time.Minute, time.Hour); got != (summary{}) {
		t.Errorf("nothing: %+v", got)
	}
}

func TestCalm(t *testing.T) {
	const quiet, slow = 500 * time.Millisecond, 100 * time.Millisecond
	for _, c := range []struct {
		name  string
		took  []time.Duration
		now   time.Duration
		since time.Duration
		calm  bool
	}{
		{"always well", repeated(100, time.Millisecond), time.Second, 0, true},
		{"a failure long ago", append([]time.Duration{-1}, repeated(99, time.Millisecond)...), time.Second, time.Millisecond, true},
		{"a failure just now", append(repeated(99, time.Millisecond), -1), time.Second, 991 * time.Millisecond, false},
		{"a slow one that has just ended", append([]time.Duration{900 * time.Millisecond}, repeated(99, time.Millisecond)...), time.Second, 900 * time.Millisecond, false},
		{"nothing is answered any more", repeated(60, time.Millisecond), time.Second, 0, false},
	} {
		if since, calm := seriesOf(c.took...).calmSince(c.now, quiet, slow); since != c.since || calm != c.calm {
			t.Errorf("%s: since %v, %t; want %v, %t", c.name, since, calm, c.since, c.calm)
		}
	}
}

func TestVerdicts(t *testing.T) {
	good := result{
		Name: "ours", Budget: 64 << 20, Rest: 30 << 20, Peak: 90 << 20, Recovery: 1, Recovered: true,
		Series: []outcome{{Group: livez, Attack: summary{Asked: 10, P99: 99}}, {Group: honest, Attack: summary{Asked: 10, P99: 999}}},
	}
	if !good.met() || strings.Contains(fmt.Sprint(good.cells()), "short") {
		t.Errorf("all is well: %v", good.cells())
	}
	for name, spoil := range map[string]func(*result){
		"memory":    func(r *result) { r.Peak = 110 << 20 },
		"stopped":   func(r *result) { r.Stopped = "grew too much" },
		"probes":    func(r *result) { r.Series[0].Attack.P99 = 100 },
		"requests":  func(r *result) { r.Series[1].Attack.P99 = 1000 },
		"failures":  func(r *result) { r.Series[1].Attack.Failed = 1 },
		"slow":      func(r *result) { r.Recovery = 2.1 },
		"recovered": func(r *result) { r.Recovered = false },
	} {
		bad := good
		bad.Series = slices.Clone(good.Series)
		spoil(&bad)
		if n := strings.Count(fmt.Sprint(bad.cells()), "short"); bad.met() || n != 1 {
			t.Errorf("%s: met %t, %v", name, bad.met(), bad.cells())
		}
	}
	var page strings.Builder
	broken := result{Name: "ours", Budget: 1, Problem: "did\nnot start"}
	if err := (results{Results: []result{good, broken}}).writePage(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "did not start") || !strings.Contains(page.String(), "60 MiB, 0.94, met") {
		t.Error(page.String())
	}
}
