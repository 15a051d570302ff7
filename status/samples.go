package status

import (
	"slices"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/stats"
)

// sampler looks at the counts once a second and remembers the last minutes. Its
// memory is bounded: numbers for each second, and whole distributions for a few
// moments.
type sampler struct {
	counts *stats.Exchanges
	quit   chan struct{}
	ended  sync.WaitGroup
	once   sync.Once

	mu      sync.Mutex
	seconds []second // the latest last, at most historyLength
	last    *totals
	marks   []*totals // one in markEvery, the latest last
	end     time.Time
}

const (
	historyLength = 300
	// Rates are those since a mark that is window old, or a little less.
	window    = time.Minute
	markEvery = 10 * time.Second
)

// second is what one second was like.
type second struct {
	requests, errors uint64
	p50, p99         float64
	inFlight         int
}

// totals are the counts since the start at one moment.
type totals struct {
	at      time.Time
	all     sum
	protos  map[asteri.Proto]*sum
	classes map[int]*sum
}

type sum struct {
	duration stats.Distribution
	in, sent uint64
}

func (s *sum) add(t *stats.Totals) {
	s.duration.Add(&t.Duration)
	s.in += t.BytesIn
	s.sent += t.BytesSent
}

func newSampler(counts *stats.Exchanges) *sampler {
	return &sampler{counts: counts, quit: make(chan struct{})}
}

// start samples until stop.
func (s *sampler) start(f *flights) {
	s.last = s.total(time.Now())
	s.marks = append(s.marks, s.last)
	s.ended.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-s.quit:
				return
			case now := <-tick.C:
				s.sample(s.total(now), f.count())
			}
		}
	})
}

func (s *sampler) stop() {
	s.once.Do(func() { close(s.quit) })
	s.ended.Wait()
}

// total adds up what applications have answered. The server's own requests are left
// out: a stream of events takes hours.
func (s *sampler) total(at time.Time) *totals {
	t := &totals{at: at, protos: make(map[asteri.Proto]*sum), classes: make(map[int]*sum)}
	for _, one := range s.counts.Snapshot().Totals {
		if one.App == OwnApp {
			continue
		}
		t.all.add(one)
		of(t.protos, one.Proto).add(one)
		of(t.classes, one.Class).add(one)
	}
	return t
}

func of[K comparable](sums map[K]*sum, key K) *sum {
	if sums[key] == nil {
		sums[key] = new(sum)
	}
	return sums[key]
}

func (s *sampler) sample(now *totals, inFlight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := now.all.duration.Since(&s.last.all.duration)
	failed := of(now.classes, 5).duration.Count - of(s.last.classes, 5).duration.Count
	s.seconds = append(s.seconds, second{
		requests: d.Count, errors: failed, inFlight: inFlight,
		p50: round(d.Quantile(0.5), 1e6), p99: round(d.Quantile(0.99), 1e6),
	})
	if len(s.seconds) > historyLength {
		s.seconds = slices.Delete(s.seconds, 0, len(s.seconds)-historyLength)
	}
	if now.at.Sub(s.marks[len(s.marks)-1].at) >= markEvery {
		s.marks = append(s.marks, now)
	}
	for len(s.marks) > 1 && now.at.Sub(s.marks[0].at) > window {
		s.marks = slices.Delete(s.marks, 0, 1)
	}
	s.last, s.end = now, now.at
}

// fill adds the traffic and its history to a document.
func (s *sampler) fill(doc *Report) {
	doc.Traffic.All.Name = "all"
	doc.Traffic.Protocols, doc.Traffic.Classes = []Rates{}, []Rates{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return
	}
	before := s.marks[0]
	elapsed := s.last.at.Sub(before.at).Seconds()
	t := &doc.Traffic
	t.Window = round(elapsed, 10)
	t.All = rates("all", &s.last.all, &before.all, elapsed)
	for p, now := range s.last.protos {
		t.Protocols = append(t.Protocols, rates(p.String(), now, of(before.protos, p), elapsed))
	}
	for c, now := range s.last.classes {
		if now.duration.Count > 0 {
			t.Classes = append(t.Classes, rates(className(c), now, of(before.classes, c), elapsed))
		}
	}
	slices.SortFunc(t.Protocols, byName)
	slices.SortFunc(t.Classes, byName)
	doc.History = s.history()
}

// className is the class of a status in words.
func className(class int) string {
	if class == 0 {
		return "none"
	}
	return string(rune('0'+class)) + "xx"
}

func rates(name string, now, before *sum, elapsed float64) Rates {
	d := now.duration.Since(&before.duration)
	r := Rates{
		Name: name, Requests: now.duration.Count, BytesIn: now.in, BytesSent: now.sent,
		P50: round(d.Quantile(0.5), 1e6), P95: round(d.Quantile(0.95), 1e6), P99: round(d.Quantile(0.99), 1e6),
	}
	if elapsed > 0 {
		r.Rate = round(float64(d.Count)/elapsed, 100)
	}
	return r
}

func (s *sampler) history() *History {
	n := len(s.seconds)
	h := &History{
		End: s.end.Unix(), Requests: make([]uint64, n), Errors: make([]uint64, n),
		P50: make([]float64, n), P99: make([]float64, n), InFlight: make([]int, n),
	}
	for i, one := range s.seconds {
		h.Requests[i], h.Errors[i], h.P50[i], h.P99[i], h.InFlight[i] = one.requests, one.errors, one.p50, one.p99, one.inFlight
	}
	return h
}
