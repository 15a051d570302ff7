package exchange

import (
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

func TestPrioritiesOfStreamsToCome(t *testing.T) {
	var s Streams[int, int]
	for id := range 2 * maxEarly {
		s.Prioritize(id, httpfield.Priority{Urgency: 1})
	}
	s.Prioritize(0, httpfield.Priority{Urgency: 2}) // the last word
	facts := &httpfield.RequestFacts{Priority: httpfield.Priority{Urgency: 5}}
	for id, want := range map[int]httpfield.Priority{0: {Urgency: 2}, 1: {Urgency: 1}, maxEarly: facts.Priority} {
		if p, said := s.Priority(id, facts); p != want || said != (id < maxEarly) {
			t.Errorf("stream %d has %v, said %v", id, p, said)
		}
	}
	if p, said := s.Priority(0, facts); p != facts.Priority || said {
		t.Errorf("once more: %v, %v", p, said)
	}
}

func TestBacklogIsOfAllStreams(t *testing.T) {
	var s Streams[int, int]
	var first, second int
	if n := s.Waiting(&first, MaxBacklog); n != MaxBacklog {
		t.Errorf("%d bytes wait", n)
	}
	if n := s.Waiting(&second, asteri.LowWater); n != asteri.HighWater {
		t.Errorf("where much waits, %d bytes count as %d", asteri.LowWater, n)
	}
	if n := s.Waiting(&second, 10); n != 10 {
		t.Errorf("10 bytes count as %d", n)
	}
	s.Waiting(&first, 0)
	if n := s.Waiting(&second, 0); n != 0 || s.Backlog() != 0 {
		t.Errorf("%d bytes are left", s.Backlog())
	}
}

func TestHandlersAtWorkOnStreamsThatAreGone(t *testing.T) {
	var s Streams[int, int]
	var gone []int
	w, _ := begin(t, "GET", true, func(x asteri.Exchange) { x.OnCancel(func(error) {}) })
	w.Cancel(asteri.ErrClientGone)
	s.Left(1, &w.Exchange, 0)
	late, _ := begin(t, "GET", true, func(x asteri.Exchange) { x.OnCancel(func(error) {}) })
	late.Cancel(asteri.ErrClientGone)
	s.Left(2, &late.Exchange, time.Second)
	note := func(id int) { gone = append(gone, id) }
	if n := s.AtWork(time.Second, note); n != 2 || s.Idle() {
		t.Errorf("%d are at work", n)
	}
	_ = w.Finish(nil)
	if n := s.AtWork(time.Second, note); n != 1 || len(gone) != 1 || gone[0] != 1 {
		t.Errorf("%d are at work, %v are not", n, gone)
	}
	if n := s.AtWork(time.Second+maxAtWork, note); n != 0 || len(gone) != 2 || !s.Idle() {
		t.Errorf("%d are at work for ever, %v are not", n, gone)
	}
}
