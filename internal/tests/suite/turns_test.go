//go:build linux

package suite

import (
	"slices"
	"testing"
)

// TestConnectionsTakeTurns: a client with many requests over one connection holds up others
// by one of them, not by all; and where there is no room, it is the one that gives it up.
func TestConnectionsTakeTurns(t *testing.T) {
	t.Parallel()
	const many = 20
	for _, scheme := range []string{"h2c", "h2", "h3"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("faults:app", "sync", "--http-protocols", allVersions, "--status-token", suiteToken, "--queue-size", "21")...)
			watch := s.over(t, "https")
			arrive := func(n int) {
				t.Helper()
				s.eventually("they have come", func() bool { return len(watch.document(withToken).Requests) == n })
			}
			busy, first, others := newGate(t), newGate(t), newGate(t)
			held := s.hold(s.over(t, "http"), busy)
			greedy := s.over(t, scheme)
			all := []*pending{greedy.send("GET", "/hold?"+first.query())}
			arrive(2)
			for range many {
				all = append(all, greedy.send("GET", "/hold?"+others.query()))
			}
			arrive(2 + many) // the queue is full
			modest := s.over(t, "http").send("GET", "/pid")
			s.eventually("one of them is refused", func() bool { return slices.ContainsFunc(all, (*pending).over) })
			busy.open()
			held.answer().want(t, 200)
			first.open()
			modest.answer().want(t, 200) // while the others still wait
			others.open()
			answers := make(map[int]int)
			for _, p := range all {
				answers[p.answer().StatusCode]++
			}
			if answers[200] != many || answers[503] != 1 {
				t.Errorf("answers %v", answers)
			}
		})
	}
}
