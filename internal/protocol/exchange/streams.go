package exchange

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Streams are those of one connection that has several, as HTTP/2's and HTTP/3's do, and
// what is bounded over all of them. It belongs to the connection's home.
type Streams[ID comparable, S any] struct {
	// Open holds the streams that are open, by their numbers.
	Open map[ID]S
	// Loads counts what of files is in memory.
	Loads Loads

	backlog int       // bytes that wait to be sent
	atWork  []left[S] // streams that are gone, while their handlers are at work
	early   []early[ID]
}

// left is a stream that is gone while its handler is at work. It counts as open, for
// otherwise a client could have any number of handlers at work at a time.
type left[S any] struct {
	stream S
	x      *Exchange
	until  time.Duration // when it counts no longer: its handler may never say that it is done
}

// early is a priority for a stream that is to come.
type early[ID comparable] struct {
	id       ID
	priority httpfield.Priority
}

const (
	// MaxBacklog is how many bytes all streams of a connection together may have
	// waiting before their handlers are asked to wait.
	MaxBacklog = 4 * asteri.HighWater
	// Footprint is about how many bytes a stream takes that waits for its handler or
	// its client, beside the head of the request: see Exchange.Occupy.
	Footprint = 3 << 10
	// DiscardTime is for how long what nobody wants may come behind a response.
	DiscardTime = time.Second

	// maxExpansion is by how much a header section may exceed the limit and still be
	// answered 431.
	maxExpansion = 16
	// maxEarly bounds the priorities of streams to come.
	maxEarly = 32
	// maxAtWork is for how long a handler counts that never says that it is done.
	maxAtWork = 30 * time.Second
)

// Expands tells whether a header section, on its way into h, is so much larger than the
// limit that the connection is to end.
func Expands(h *httpfield.RequestHead, limit int) bool { return h.Size() > maxExpansion*limit }

// Idle tells whether no stream is open, and no handler at work on one that is gone.
func (t *Streams[ID, S]) Idle() bool { return len(t.Open) == 0 && len(t.atWork) == 0 }

// Each calls fn for the streams that are open now, whatever the calls change, also if one
// of them ends the goroutine.
func (t *Streams[ID, S]) Each(fn func(S)) {
	all := make([]S, 0, len(t.Open))
	for _, st := range t.Open {
		all = append(all, st)
	}
	callback.Each(all, fn)
}

// Backlog returns how many bytes of all streams wait to be sent.
func (t *Streams[ID, S]) Backlog() int { return t.backlog }

// Waiting notes that n bytes of a stream wait to be sent, of which counted was noted
// before, and returns how many its handler is to know of: where all streams hold much
// together, each is called long earlier.
func (t *Streams[ID, S]) Waiting(counted *int, n int) int {
	t.backlog += n - *counted
	*counted = n
	if t.backlog > MaxBacklog && n >= asteri.LowWater {
		return max(n, asteri.HighWater)
	}
	return n
}

// Left notes that st is gone while the handler of its exchange x is at work.
func (t *Streams[ID, S]) Left(st S, x *Exchange, now time.Duration) {
	t.atWork = append(t.atWork, left[S]{st, x, now + maxAtWork})
}

// AtWork returns how many handlers are at work on streams that are gone. done is called
// for those that are no longer, unless it is nil.
func (t *Streams[ID, S]) AtWork(now time.Duration, done func(S)) int {
	if len(t.atWork) == 0 {
		return 0
	}
	kept := t.atWork[:0]
	for _, l := range t.atWork {
		if l.x.AtWork() && now < l.until {
			kept = append(kept, l)
		} else if done != nil {
			done(l.stream)
		}
	}
	clear(t.atWork[len(kept):])
	t.atWork = kept
	return len(kept)
}

// Prioritize notes a priority for a stream that is to come.
func (t *Streams[ID, S]) Prioritize(id ID, p httpfield.Priority) {
	for i := range t.early {
		if t.early[i].id == id {
			t.early[i].priority = p
			return
		}
	}
	if len(t.early) < maxEarly {
		t.early = append(t.early, early[ID]{id, p})
	}
}

// Priority returns the priority of a stream that has come, and whether the client has said
// it: a frame wins over the field (RFC 9218 section 7).
func (t *Streams[ID, S]) Priority(id ID, facts *httpfield.RequestFacts) (p httpfield.Priority, said bool) {
	for i := range t.early {
		if t.early[i].id == id {
			p = t.early[i].priority
			t.early = append(t.early[:i], t.early[i+1:]...)
			return p, true
		}
	}
	return facts.Priority, facts.Prioritized
}
