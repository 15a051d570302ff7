package status

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
)

// snapshot is a document, and what it looks like to whom.
type snapshot struct {
	own     *Report // of this process alone
	doc     *Report
	encoded [2][2]func() []byte // by full access, by history
}

// fresh is how long a snapshot serves all who ask.
const fresh = 250 * time.Millisecond

// snapshot returns what is known, not older than fresh. Who comes while it is being
// gathered waits, and shares it.
func (s *Monitor) snapshot() *snapshot {
	s.gathering.Lock()
	defer s.gathering.Unlock()
	if s.last == nil || time.Since(s.last.own.Time) >= fresh {
		s.last = newSnapshot(s.gather())
		if inherited := s.inherited.Load(); inherited != nil {
			s.last.doc = s.last.own.following(inherited.doc)
		}
	}
	return s.last
}

// shown is snapshot, or what another process tells that has taken the place of this one.
func (s *Monitor) shown() *snapshot {
	sn := s.snapshot()
	if t := s.followed(); t != nil {
		return newSnapshot(t.doc)
	}
	return sn
}

// Document returns all that is known, as of the last quarter of a second. It is shared by
// who asks, and not to be changed. It may wait for loops, and not be called on one.
func (s *Monitor) Document() *Report { return s.shown().doc.view(true) }

// gather makes a document. It takes time, some of it waiting for loops.
func (s *Monitor) gather() *Report {
	doc := s.opts.Report()
	doc.Time = time.Now().UTC().Round(time.Millisecond)
	doc.Ready = true
	if err := s.opts.Ready(); err != nil {
		doc.Ready, doc.Reason = false, err.Error()
	}
	s.usage.fill(&doc)
	s.fly(&doc)
	s.samples.fill(&doc)
	doc.Traffic.TLS = s.flights.secure()
	doc.Errors, doc.RecentErrors = s.opts.Log.Errors(doc.Time)
	for i := range doc.Workers {
		doc.Workers[i].LastError = s.opts.Log.LastError(doc.Workers[i].PID)
	}
	doc.Configuration = s.opts.Configuration()
	doc.Memory = heaviest(doc.Memory)
	return &doc
}

// heaviest returns at most MaxRoutes, those first that have grown most.
func heaviest(routes []RouteMemory) []RouteMemory {
	slices.SortStableFunc(routes, func(a, b RouteMemory) int { return cmp.Compare(b.Grown, a.Grown) })
	return routes[:min(len(routes), MaxRoutes)]
}

// fly adds the loops' lag and the requests in flight.
func (s *Monitor) fly(doc *Report) {
	doc.InFlight = s.flights.count()
	flying := s.flights.oldest(MaxRequests)
	var mu sync.Mutex // a loop that comes late must not meet the reader
	over := false
	lags := s.loops.visit(func(home asteri.Executor) {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		for _, one := range flying {
			if one.home == home {
				one.handled()
			}
		}
	})
	mu.Lock()
	defer mu.Unlock()
	over = true
	for _, one := range flying {
		if !one.gone {
			doc.Requests = append(doc.Requests, one.Request)
		}
	}
	for i := range doc.Loops {
		if i < len(lags) {
			doc.Loops[i].Lag = lags[i]
		}
	}
}

func newSnapshot(doc *Report) *snapshot {
	sn := &snapshot{own: doc, doc: doc}
	for everything := range 2 {
		for history := range 2 {
			sn.encoded[everything][history] = sync.OnceValue(func() []byte {
				view := sn.doc.view(everything == 1)
				if history == 0 {
					view.History = nil
				}
				text, err := json.Marshal(view)
				if err != nil { // a value that JSON has no word for: none of ours
					return []byte("{}\n")
				}
				return append(text, '\n')
			})
		}
	}
	return sn
}

// encode returns the document as JSON in one line, for someone with access.
func (sn *snapshot) encode(a access, history bool) []byte {
	return sn.encoded[index(a == full)][index(history)]()
}

func index(is bool) int {
	if is {
		return 1
	}
	return 0
}

// view returns a copy without what only full access shows.
func (doc *Report) view(everything bool) *Report {
	view := *doc
	view.Access = "full"
	if everything {
		return &view
	}
	view.Access = "public"
	view.Requests, view.Errors, view.Configuration, view.Memory = nil, nil, nil, nil
	view.RecentErrors = 0
	view.Application.Error = ""
	view.Mounts = slices.Clone(doc.Mounts)
	for i := range view.Mounts {
		view.Mounts[i].Error = ""
	}
	view.Workers = make([]Worker, len(doc.Workers))
	copy(view.Workers, doc.Workers)
	for i := range view.Workers {
		view.Workers[i].LastError = nil
	}
	return &view
}
