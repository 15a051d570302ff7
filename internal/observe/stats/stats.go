// Package stats counts exchanges: how many there were, of what kind, how long they
// took, and why some failed.
//
// Each event loop counts for itself, in memory that no other loop writes to, and the
// counts are added up when somebody asks. What is counted apart is bounded, whatever
// clients send.
package stats

import (
	"errors"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/perhome"
)

// Exchanges is an asteri.Observer that counts.
type Exchanges struct {
	shards  *perhome.Values[asteri.Executor, shard]
	refused refusals
}

var _ asteri.Observer = (*Exchanges)(nil)

// New returns an observer that has counted nothing.
func New() *Exchanges {
	return &Exchanges{shards: perhome.New(func(asteri.Executor) *shard { return new(shard) })}
}

// ExchangeDone implements asteri.Observer.
func (e *Exchanges) ExchangeDone(r *asteri.Record) {
	if r.Request == nil {
		e.refused.addMalformed(r.Err)
		return
	}
	s := e.shards.At(r.Home)
	s.mu.Lock()
	s.count(r)
	s.mu.Unlock()
	if r.Err != nil {
		e.countEnding(s, r.Err)
	}
}

func (e *Exchanges) countEnding(s *shard, err error) {
	why, refusal := EndingOf(err)
	s.mu.Lock()
	s.ended[why]++
	s.mu.Unlock()
	if why == Refused {
		e.refused.addAnswered(refusal)
	}
}

// shard holds the counts of one home. That is all who takes the lock, but for a scrape:
// one lock that is free costs less than half of what atomic counters would.
type shard struct {
	mu    sync.Mutex // held for moments only: loops want it
	apps  []*app
	ended [numEndings]uint64
	_     [64]byte // no cache line with another shard
}

func (s *shard) count(r *asteri.Record) {
	h := &r.Request.Handling
	series := s.app(h.App, h.Model).get(indexOf(r.Request.Proto, answered(r), r.Request.Method))
	took := bucketOf(r.Duration)
	series.duration.addTo(took, r.Duration)
	series.in += positive(r.BytesIn)
	series.out += positive(r.BytesOut)
	series.sent += positive(r.BytesSent)
	if h.Model != "" {
		countWork(series, h, r, took)
	}
}

func positive(n int64) uint64 { return uint64(max(n, 0)) }

// countWork counts what a handler has told. One that ran inline need not: it has
// worked for as long as the exchange took. From others nothing is known if the client
// has left early. took is the bucket of that time.
func countWork(s *series, h *asteri.Handling, r *asteri.Record, took int) {
	switch inline := h.Queued == 0 && h.Worked == 0; {
	case inline && r.Err != nil:
	case inline:
		t := s.times()
		t.queued.zero++
		if r.Duration > 0 {
			t.worked.addTo(took, r.Duration)
		}
	default:
		t := s.times()
		t.queued.add(h.Queued)
		if h.Worked > 0 {
			t.worked.add(h.Worked)
		}
	}
}

// Ending is why an exchange did not end cleanly.
type Ending uint8

// The reasons.
const (
	// Refused: the server answered with an error status.
	Refused Ending = iota
	// ClientGone: the client reset the connection or stream, or closed its side and
	// was not answered for that.
	ClientGone
	// Stopping: the server's time for a graceful stop was over.
	Stopping
	// BadResponse: the application's response could not be sent.
	BadResponse
	// Panicked: a Go handler panicked.
	Panicked
	// Failed: anything else, such as a worker that died in its response.
	Failed
	numEndings
)

// String returns the name for a label.
func (e Ending) String() string {
	return [numEndings]string{"refused", "client_gone", "stopping", "bad_response", "panic", "failed"}[e]
}

// answered is the status that counts: 0 for none. That a client had left is nobody's
// failure.
func answered(r *asteri.Record) int {
	if r.LeftFirst() {
		return 0
	}
	return r.Status
}

// EndingOf classifies err. refusal is how the server answered, if it did: always for
// Refused.
func EndingOf(err error) (why Ending, refusal *asteri.StatusError) {
	var response *asteri.ResponseError
	var panicked *asteri.PanicError
	refused := errors.As(err, &refusal)
	switch {
	case errors.Is(err, asteri.ErrClientGone), errors.Is(err, asteri.ErrHalfClosed):
		return ClientGone, refusal
	case refused:
		return Refused, refusal
	case errors.Is(err, asteri.ErrStopping):
		return Stopping, nil
	case errors.As(err, &response):
		return BadResponse, nil
	case errors.As(err, &panicked):
		return Panicked, nil
	}
	return Failed, nil
}
