package status

import (
	"cmp"
	"crypto/tls"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/asteri/asteri-loop"
)

// flights are the requests that the application has. Each is entered when it is
// passed on and taken out when the observer is told of its end, so the table costs
// two visits to a shard that mostly nobody else wants.
type flights struct {
	shards [flightShards]flightShard
}

// flightShards is a power of two.
const flightShards = 64

type flightShard struct {
	mu     sync.Mutex
	open   map[*asteri.Request]asteri.Exchange
	secure [tlsVersions]uint64 // exchanges that have ended, by version of TLS
	_      [64]byte            // no cache line with another shard
}

// tlsVersions counts plain connections, those of an unknown version, and TLS 1.0 to
// 1.3.
const tlsVersions = 6

var tlsNames = [tlsVersions]string{"none", "unknown", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}

func tlsIndex(state *tls.ConnectionState) int {
	switch {
	case state == nil:
		return 0
	case state.Version < tls.VersionTLS10 || state.Version > tls.VersionTLS13:
		return 1
	}
	return int(state.Version-tls.VersionTLS10) + 2
}

// shard returns where a request is entered. Sessions use a request's memory again,
// so a loop comes back to the same few shards.
func (f *flights) shard(r *asteri.Request) *flightShard {
	p := uintptr(unsafe.Pointer(r)) // only a number: objects do not move
	return &f.shards[(p>>8^p>>14)%flightShards]
}

func (f *flights) begin(x asteri.Exchange) {
	r := x.Request()
	s := f.shard(r)
	s.mu.Lock()
	if s.open == nil {
		s.open = make(map[*asteri.Request]asteri.Exchange)
	}
	s.open[r] = x
	s.mu.Unlock()
}

// end takes a request out, from when on its slices may be anything.
func (f *flights) end(done *asteri.Record) {
	if done.Request == nil {
		return
	}
	s := f.shard(done.Request)
	s.mu.Lock()
	delete(s.open, done.Request)
	if done.Request.Handling.App != ownApp {
		s.secure[tlsIndex(done.Peer.TLS)]++
	}
	s.mu.Unlock()
}

func (f *flights) count() (n int) {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		n += len(s.open)
		s.mu.Unlock()
	}
	return n
}

// secure returns how many requests came over which version of TLS.
func (f *flights) secure() map[string]uint64 {
	all := make(map[string]uint64)
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for v, n := range s.secure {
			if n > 0 {
				all[tlsNames[v]] += n
			}
		}
		s.mu.Unlock()
	}
	return all
}

// flight is a request that was in flight when it was looked for.
type flight struct {
	request  *asteri.Request
	home     asteri.Executor
	received time.Time
	Request
	gone bool
}

// MaxRequests is how many requests in flight a document shows.
const MaxRequests = 200

// oldest returns the requests that have been in flight for the longest. It may be
// called from any goroutine.
func (f *flights) oldest(limit int) []*flight {
	type entry struct {
		request  *asteri.Request
		received int64 // Unix nanoseconds
	}
	all := make([]entry, 0, f.count())
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		for r := range s.open {
			all = append(all, entry{r, r.Received.UnixNano()})
		}
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.received, b.received) })
	all = all[:min(limit, len(all))]
	now := time.Now()
	shown := make([]*flight, 0, len(all))
	for _, one := range all {
		if found := f.describe(one.request, one.received, now); found != nil {
			shown = append(shown, found)
		}
	}
	return shown
}

// describe copies what does not change of a request, if it is still in flight. One that
// came at another time is another that has its memory.
func (f *flights) describe(r *asteri.Request, received int64, now time.Time) *flight {
	s := f.shard(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	x, open := s.open[r]
	if !open || r.Received.UnixNano() != received {
		return nil
	}
	return &flight{request: r, home: x.Home(), received: r.Received, Request: Request{
		Method: shorten(r.Method), Path: shorten(string(r.Path)), Protocol: r.Proto.String(),
		Age: max(0, seconds(now.Sub(r.Received))), State: stateWaiting,
	}}
}

const (
	stateWaiting = "WAITING"
	stateRunning = "RUNNING"
)

// longestText bounds what clients choose: a method, a path.
const longestText = 256

func shorten(s string) string {
	if len(s) <= longestText {
		return s
	}
	return s[:longestText] + "…"
}

// handled copies what handlers say of a request. It runs on the request's home, where
// they say it and where it would be taken out.
func (f *flights) handled(one *flight) {
	s := f.shard(one.request)
	s.mu.Lock()
	_, open := s.open[one.request]
	s.mu.Unlock()
	if one.gone = !open || !one.request.Received.Equal(one.received); one.gone {
		return
	}
	h := &one.request.Handling
	one.ID, one.App = h.ID, h.App
	if h.Progress == nil { // nobody knows more than that its handler has it
		one.State = stateRunning
		return
	}
	var begun bool
	if one.Worker, begun = h.Progress.Place(); begun {
		one.State = stateRunning
	}
}

// seconds is for JSON: no more digits than mean something.
func seconds(d time.Duration) float64 { return float64(d.Microseconds()/100) / 1e4 }

// byName orders rates.
func byName(a, b Rates) int { return cmp.Compare(a.Name, b.Name) }
