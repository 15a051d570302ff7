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
// goroutine, and holds up none for longer than it takes to copy one series.
func (e *Exchanges) Snapshot() *Snapshot {
	s := &Snapshot{Endings: map[Ending]uint64{}, Refusals: e.refused.all()}
	all := make(map[Labels]*Totals)
	for _, from := range e.shards.All() {
		s.add(from, all)
	}
	for _, t := range all {
		s.Totals = append(s.Totals, t)
	}
	slices.SortFunc(s.Totals, func(a, b *Totals) int { return a.Labels.compare(&b.Labels) })
	return s
}

func (s *Snapshot) add(from *shard, all map[Labels]*Totals) {
	from.mu.Lock()
	apps, ended := from.apps, from.ended // applications stay, and more come behind them
	from.mu.Unlock()
	for why, n := range ended {
		if n > 0 {
			s.Endings[Ending(why)] += n
		}
	}
	var now series
	var handled times
	for _, a := range apps {
		from.mu.Lock()
		kinds := a.kinds
		from.mu.Unlock()
		for i, counted := range &kinds {
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
			from.mu.Lock()
			counted.copyTo(&now, &handled)
			from.mu.Unlock()
			t.add(&now)
		}
	}
}

// copyTo copies what is counted at the moment. The caller holds the lock, so there is
// memory for it already: that of to, and that of handled for to.handled.
func (s *series) copyTo(to *series, handled *times) {
	*to = *s
	if s.handled != nil {
		*handled = *s.handled
		to.handled = handled
	}
}

func (t *Totals) add(s *series) {
	t.Duration.merge(&s.duration)
	if s.handled != nil {
		t.Queued.merge(&s.handled.queued)
		t.Worked.merge(&s.handled.worked)
	}
	t.BytesIn += s.in
	t.BytesOut += s.out
	t.BytesSent += s.sent
}

func (l *Labels) compare(o *Labels) int {
	return cmp.Or(cmp.Compare(l.App, o.App), cmp.Compare(l.Model, o.Model), cmp.Compare(l.Proto, o.Proto),
		cmp.Compare(l.Class, o.Class), cmp.Compare(l.Method, o.Method))
}
