package stats

import (
	"cmp"
	"slices"

	"github.com/asteri/asteri-loop"
)

// Labels say what kind of exchanges are counted together.
type Labels struct {
	// App and Model are those of asteri.Handling.
	App, Model string
	Proto      asteri.Proto
	// Class is the first digit of the status, 0 if there was no response.
	Class int
	// Method is a method of RFC 9110 or PATCH, or "other".
	Method string
}

// Totals are the counts of one kind of exchanges.
type Totals struct {
	Labels
	// Duration is from the request's head to the end of the response. Its
	// Count is that of the exchanges.
	Duration Distribution
	// Queued and Worked are those of asteri.Handling, of exchanges that were
	// given to a worker.
	Queued, Worked Distribution
	// BytesIn and BytesOut are content, BytesSent is content and heads.
	BytesIn, BytesOut, BytesSent uint64
}

// Snapshot is what has been counted since the start.
type Snapshot struct {
	// Totals are in the order of their labels.
	Totals []*Totals
	// Endings counts the exchanges that did not end cleanly.
	Endings map[Ending]uint64
	// Refusals counts the answers that the server gave itself.
	Refusals map[Refusal]uint64
}

// Snapshot adds up what all homes have counted. It may be called from any
// goroutine, and holds up nobody.
func (e *Exchanges) Snapshot() *Snapshot {
	s := &Snapshot{Endings: map[Ending]uint64{}, Refusals: e.refused.all()}
	all := make(map[Labels]*Totals)
	for _, from := range e.shards {
		s.add(from, all)
	}
	s.add(e.others, all)
	for _, t := range all {
		s.Totals = append(s.Totals, t)
	}
	slices.SortFunc(s.Totals, func(a, b *Totals) int { return a.Labels.compare(&b.Labels) })
	return s
}

func (s *Snapshot) add(from *shard, all map[Labels]*Totals) {
	for _, a := range from.apps.all() {
		for i := range a.kinds {
			counted := a.kinds[i].Load()
			if counted == nil {
				continue
			}
			l := Labels{App: a.name, Model: a.model}
			l.Proto, l.Class, l.Method = kindOf(i)
			t := all[l]
			if t == nil {
				t = &Totals{Labels: l}
				all[l] = t
			}
			t.add(counted)
		}
	}
	for why := range from.ended {
		if n := from.ended[why].n.Load(); n > 0 {
			s.Endings[Ending(why)] += n
		}
	}
}

func (t *Totals) add(s *series) {
	t.Duration.merge(&s.duration)
	if handled := s.handled.Load(); handled != nil {
		t.Queued.merge(&handled.queued)
		t.Worked.merge(&handled.worked)
	}
	t.BytesIn += s.in.n.Load()
	t.BytesOut += s.out.n.Load()
	t.BytesSent += s.sent.n.Load()
}

func (l *Labels) compare(o *Labels) int {
	return cmp.Or(cmp.Compare(l.App, o.App), cmp.Compare(l.Model, o.Model), cmp.Compare(l.Proto, o.Proto),
		cmp.Compare(l.Class, o.Class), cmp.Compare(l.Method, o.Method))
}
