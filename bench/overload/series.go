package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/bench/load"
)

// series is one kind of request, due again and again at fixed times, whether or not
// those before it are answered: otherwise a server that answers nothing for ten
// seconds would have kept one request waiting, and not a thousand.
type series struct {
	name    string
	group   group
	every   time.Duration
	timeout time.Duration
	// serial says that the requests share a connection, one after the other. Those that
	// become due while another is under way have its outcome, and wait for its end.
	serial bool
	once   func(context.Context) error
	began  time.Time // when the first one is due

	mu      sync.Mutex
	samples []sample
}

// label names a series beside others.
func (s *series) label() string {
	if s.group == livez {
		return string(livez) + " " + s.name
	}
	return s.name
}

// group tells what a series is judged by.
type group string

const (
	livez  group = "/livez"
	honest group = "honest"
)

// sample is one request.
type sample struct {
	due  time.Duration // since the run began
	took time.Duration // from when it was due
	err  error
}

// run makes the requests until ctx is done. What is under way then is not counted.
func (s *series) run(ctx context.Context, began time.Time) {
	s.began = began
	if s.serial {
		s.inTurn(ctx)
		return
	}
	var asking sync.WaitGroup
	for due := began; until(ctx, due); due = due.Add(s.every) { // the timeout bounds how many there are
		asking.Go(func() {
			if err := s.ask(ctx); ctx.Err() == nil {
				s.record(due, time.Now(), err)
			}
		})
	}
	asking.Wait()
}

func (s *series) inTurn(ctx context.Context) {
	for due := s.began; until(ctx, due); {
		err := s.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		for end := time.Now(); !due.After(end); due = due.Add(s.every) {
			s.record(due, end, err)
		}
	}
}

func (s *series) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.once(ctx)
}

func (s *series) record(due, end time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, sample{due.Sub(s.began), end.Sub(due), err})
}

// between returns the requests that were due in [from, to) of the run.
func (s *series) between(from, to time.Duration) []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in []sample
	for _, one := range s.samples {
		if one.due >= from && one.due < to {
			in = append(in, one)
		}
	}
	return in
}

// summary is what a series came to within a phase, in milliseconds.
type summary struct {
	Asked  int     `json:"asked"`
	Failed int     `json:"failed"`
	P50    float64 `json:"p50Millis"`
	P99    float64 `json:"p99Millis"`
	Max    float64 `json:"maxMillis"`
	// Error is one of what failed, the most frequent.
	Error string `json:"error,omitempty"`
}

// summarize counts a request that failed as one that took the whole timeout at least.
func (s *series) summarize(from, to time.Duration) summary {
	in := s.between(from, to)
	sum := summary{Asked: len(in)}
	times := make([]time.Duration, 0, len(in))
	failures := map[string]int{}
	for _, one := range in {
		if one.err != nil {
			sum.Failed++
			one.took = max(one.took, s.timeout)
			failures[one.err.Error()]++
		}
		times = append(times, one.took)
	}
	slices.Sort(times)
	sum.P50, sum.P99, sum.Max = millis(load.Quantile(times, 0.5)), millis(load.Quantile(times, 0.99)), millis(load.Quantile(times, 1))
	sum.Error = mostFrequent(failures)
	return sum
}

func mostFrequent(counts map[string]int) string {
	best := ""
	for text, n := range counts {
		if c := cmp.Compare(n, counts[best]); c > 0 || c == 0 && text < best {
			best = text
		}
	}
	return best
}

// calmSince returns since when the series has been well: nothing failed, and nothing
// took longer than slow. It is false if that is for less than the last quiet of the
// time until now, or if too little was answered in it to tell.
func (s *series) calmSince(now, quiet, slow time.Duration) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var trouble time.Duration
	good := 0
	for _, one := range s.samples {
		end := one.due + one.took
		switch {
		case one.err != nil || one.took > slow:
			trouble = max(trouble, end)
		case one.due >= now-quiet:
			good++
		}
	}
	return trouble, now-trouble >= quiet && good >= int(quiet/s.every)/2
}

// until waits for a time, and reports whether it came before the end of ctx.
func until(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
