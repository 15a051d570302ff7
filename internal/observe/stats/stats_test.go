package stats

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

type home struct{ _ int }

func (*home) Post(func()) bool { return false }

func record(at asteri.Executor, method string, status int) *asteri.Record {
	return &asteri.Record{
		Home: at, Status: status, Duration: 3 * time.Millisecond, BytesIn: 1, BytesOut: 20, BytesSent: 300,
		Request: &asteri.Request{Method: method, Proto: asteri.HTTP11, Handling: asteri.Handling{
			Model: "sync", Queued: time.Millisecond, Worked: 2 * time.Millisecond,
		}},
	}
}

func TestSnapshotAddsUpAllHomes(t *testing.T) {
	a, b, stranger := new(home), new(home), new(home)
	e := New()
	for _, at := range []*home{a, b, b, stranger} {
		e.ExchangeDone(record(at, "GET", 200))
	}
	e.ExchangeDone(record(a, "BREW", 404))
	s := e.Snapshot()
	if len(s.Totals) != 2 {
		t.Fatalf("%d kinds", len(s.Totals))
	}
	get, brew := s.Totals[0], s.Totals[1]
	if get.Labels != (Labels{Model: "sync", Proto: asteri.HTTP11, Class: 2, Method: "GET"}) {
		t.Errorf("%+v", get.Labels)
	}
	if get.Duration.Count != 4 || get.BytesIn != 4 || get.BytesOut != 80 || get.BytesSent != 1200 {
		t.Errorf("%+v", get)
	}
	if got := get.Queued.Sum; math.Abs(got-0.004) > 1e-9 || get.Worked.Count != 4 {
		t.Errorf("queued %v, worked %d times", got, get.Worked.Count)
	}
	if brew.Method != "other" || brew.Class != 4 {
		t.Errorf("%+v", brew.Labels)
	}
}

// What a handler did not note is not a time of zero.
func TestOnlyHandledRequestsHaveTimes(t *testing.T) {
	at := new(home)
	e := New()
	r := record(at, "GET", 200)
	r.Request.Handling = asteri.Handling{}
	e.ExchangeDone(r)
	if got := e.Snapshot().Totals[0]; got.Duration.Count != 1 || got.Queued.Count != 0 || got.Worked.Count != 0 {
		t.Errorf("%+v", got)
	}
}

func TestEndings(t *testing.T) {
	at := new(home)
	e := New()
	for _, err := range []error{
		nil, &asteri.StatusError{Code: 503, Reason: "full"}, fmt.Errorf("so: %w", asteri.ErrClientGone), asteri.ErrHalfClosed,
		asteri.ErrStopping, &asteri.ResponseError{Reason: "x"}, &asteri.PanicError{}, errors.New("?"),
	} {
		r := record(at, "GET", 500)
		r.Err = err
		e.ExchangeDone(r)
	}
	s := e.Snapshot()
	for why, want := range map[Ending]uint64{Refused: 1, ClientGone: 2, Stopping: 1, BadResponse: 1, Panicked: 1, Failed: 1} {
		if s.Endings[why] != want {
			t.Errorf("%v: %d, want %d", why, s.Endings[why], want)
		}
	}
	if got := s.Refusals; len(got) != 1 || got[Refusal{Status: 503, Reason: "full"}] != 1 {
		t.Errorf("%v", got)
	}
}

func TestMalformed(t *testing.T) {
	e := New()
	for range 2 {
		e.ExchangeDone(&asteri.Record{Status: 400, Err: &asteri.StatusError{Code: 400, Reason: "bad"}})
	}
	e.ExchangeDone(&asteri.Record{Err: errors.New("a stream error")})
	got := e.Snapshot().Refusals
	if len(got) != 2 || got[Refusal{400, "bad", true}] != 2 || got[Refusal{0, other, true}] != 1 {
		t.Errorf("%v", got)
	}
}

// Whatever is sent or said, the number of series is bounded.
func TestBoundedCardinality(t *testing.T) {
	at := new(home)
	e := New()
	for i := range 5000 {
		r := record(at, fmt.Sprintf("M%d", i), 100+i%900)
		r.Request.Proto = asteri.Proto(i)
		r.Request.Handling.App = fmt.Sprintf("app%d", i)
		r.Err = &asteri.StatusError{Code: i, Reason: fmt.Sprintf("reason %d", i)}
		e.ExchangeDone(r)
		e.ExchangeDone(&asteri.Record{Err: &asteri.StatusError{Code: 400, Reason: strings.Repeat("long", i)}})
	}
	s := e.Snapshot()
	apps := map[string]bool{}
	var n uint64
	for _, kind := range s.Totals {
		apps[kind.App] = true
		n += kind.Duration.Count
	}
	if n != 5000 || len(apps) != maxApps+1 || !apps[other] {
		t.Errorf("%d exchanges in %d apps", n, len(apps))
	}
	if len(s.Refusals) > 2*maxReasons+202 {
		t.Errorf("%d refusals", len(s.Refusals))
	}
}

func TestIndexIsPrometheus(t *testing.T) {
	for _, d := range []time.Duration{1, 999, 1e3, 8e3, 1e6, 1e9 - 1, 1e9, 1e9 + 1, 125e6, 250e6, 500e6, 3e9, 7777777, 64e9, 3600e9} {
		i := index(d)
		low, high := math.Exp2(float64(i-1)/perOctave), math.Exp2(float64(i)/perOctave)
		if s := d.Seconds(); s <= low || s > high {
			t.Errorf("%v is not in bucket %d: (%v, %v]", d, i, low, high)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-1, 0, 1, 250 * time.Millisecond, 250*time.Millisecond + 1, 3 * time.Second, 1000 * time.Hour} {
		h.add(d)
	}
	var d Distribution
	d.merge(&h)
	var twice Distribution
	twice.Add(&d)
	twice.Add(&d)
	twice.Add(&Distribution{})
	if d.Count != 7 || d.Zero != 3 || twice.Count != 14 || twice.Sum != 2*d.Sum {
		t.Errorf("%d, %d; %d", d.Count, d.Zero, twice.Count)
	}
	classic := map[float64]uint64{}
	d.Classic(-3, 3, func(bound float64, n uint64) { classic[bound] = n })
	for bound, want := range map[float64]uint64{0.125: 3, 0.25: 4, 0.5: 5, 1: 5, 2: 5, 4: 6, 8: 6} {
		if classic[bound] != want {
			t.Errorf("le %v: %d, want %d", bound, classic[bound], want)
		}
	}
	var native uint64
	indexes := map[int]uint64{}
	d.Native(func(i int, n uint64) { native += n; indexes[i] = n })
	if native+d.Zero != d.Count || indexes[-2*perOctave] != 1 || indexes[-2*perOctave+1] != 1 || indexes[highest*perOctave] != 1 {
		t.Errorf("%v", indexes)
	}
}

func TestQuantile(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	var d Distribution
	d.merge(&h)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		if got := d.Quantile(q); math.Abs(got-q) > 0.09*q {
			t.Errorf("quantile %v is %v", q, got)
		}
	}
	if got := (&Distribution{}).Quantile(0.5); got != 0 {
		t.Errorf("nothing has the median %v", got)
	}
}

// Readers may look while loops count.
func TestConcurrent(t *testing.T) {
	homes := []asteri.Executor{new(home), new(home)}
	e := New()
	var all sync.WaitGroup
	const n = 2000
	for _, at := range homes {
		all.Go(func() {
			for i := range n {
				e.ExchangeDone(record(at, methods[i%numMethods], 100+i%500))
			}
		})
	}
	for range 20 {
		for _, kind := range e.Snapshot().Totals {
			seen := kind.Duration.Zero
			kind.Duration.Native(func(_ int, n uint64) { seen += n })
			if seen != kind.Duration.Count {
				t.Errorf("%d in buckets, %d in all", seen, kind.Duration.Count)
			}
		}
	}
	all.Wait()
	var total uint64
	for _, kind := range e.Snapshot().Totals {
		total += kind.Duration.Count
	}
	if total != 2*n {
		t.Errorf("%d exchanges", total)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	at := new(home)
	e := New()
	r := record(at, "GET", 200)
	if n := testing.AllocsPerRun(100, func() { e.ExchangeDone(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkExchangeDone(b *testing.B) {
	at := new(home)
	e := New()
	e.shards.At(new(home)) // not the first that is looked at
	r := record(at, "GET", 200)
	b.ReportAllocs()
	for b.Loop() {
		e.ExchangeDone(r)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	homes := make([]asteri.Executor, 16)
	for i := range homes {
		homes[i] = new(home)
	}
	e := New()
	for _, at := range homes {
		for i := range 20 {
			e.ExchangeDone(record(at, methods[i%5], 200+100*(i%4)))
		}
	}
	for b.Loop() {
		e.Snapshot()
	}
}

// A client that left before it was answered is nobody's failure: no class of status has
// it, and no reason of a refusal.
func TestClientsThatLeftFirst(t *testing.T) {
	left := &asteri.StatusError{Code: 503, Reason: "left the queue", Err: asteri.ErrHalfClosed}
	for _, test := range []struct {
		status int
		err    error
		class  int
		logged int
	}{
		{0, asteri.ErrClientGone, 0, 499}, {503, left, 0, 499}, {499, asteri.ErrHalfClosed, 0, 499},
		{200, asteri.ErrClientGone, 2, 200}, {500, asteri.ErrClientGone, 5, 500}, {500, nil, 5, 500}, {499, nil, 4, 499},
	} {
		e := New()
		r := &asteri.Record{Request: &asteri.Request{Method: "GET"}, Status: test.status, Err: test.err}
		e.ExchangeDone(r)
		s := e.Snapshot()
		if len(s.Totals) != 1 || s.Totals[0].Class != test.class || len(s.Refusals) != 0 || (s.Endings[ClientGone] == 1) != (test.err != nil) || r.LoggedStatus() != test.logged {
			t.Errorf("%d, %v: %+v, %v, %d", test.status, test.err, s.Totals, s.Endings, r.LoggedStatus())
		}
	}
}
