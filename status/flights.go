package status

import (
	"cmp"
	"crypto/tls"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/perhome"
)

// flights are the requests that the application has. Each home has a list of its own,
// so a request's visits to it meet nobody but who looks on.
type flights struct {
	homes *perhome.Values[asteri.Executor, homeFlights]
}

// homeFlights are those of one home.
type homeFlights struct {
	home asteri.Executor

	// handing is the request that the application is being given: most are over
	// when it returns, and never reach the table. Only the home changes it. It
	// puts one in without the lock, but takes one out with it: who has the lock
	// may look at a request that is in.
	handing atomic.Pointer[asteri.Request]

	mu     sync.Mutex
	open   map[*asteri.Request]asteri.Executor // and their homes
	secure [tlsVersions]uint64                 // exchanges that have ended, by version of TLS
	_      [64]byte                            // no cache line with another home
}

func newFlights() flights {
	return flights{perhome.New(func(home asteri.Executor) *homeFlights { return &homeFlights{home: home} })}
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

// all calls each with every list, locked.
func (f *flights) all(each func(h *homeFlights)) {
	for _, h := range f.homes.All() {
		h.mu.Lock()
		each(h)
		h.mu.Unlock()
	}
}

// pass gives x to the application, and enters it for as long as that has it.
func (f *flights) pass(x asteri.Exchange, app asteri.Handler) {
	h := f.homes.At(x.Home())
	h.keep() // there is one only if the application's call led to this one
	h.handing.Store(x.Request())
	app.ServeExchange(x) // if it panics, that is the end of x
	h.keep()
}

// keep moves handing, if there is one, to the table. It runs on the home.
func (h *homeFlights) keep() {
	r := h.handing.Load()
	if r == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(r, h.home)
	h.handing.Store(nil)
}

// put is for who holds the lock.
func (h *homeFlights) put(r *asteri.Request, home asteri.Executor) {
	if h.open == nil {
		h.open = make(map[*asteri.Request]asteri.Executor)
	}
	h.open[r] = home
}

// find returns the home of a request in flight, nil if it is none. The caller holds the
// lock.
func (h *homeFlights) find(r *asteri.Request) asteri.Executor {
	if h.handing.Load() == r {
		return h.home
	}
	return h.open[r]
}

// end takes a request out, from when on its slices may be anything.
func (f *flights) end(done *asteri.Record) {
	if done.Request == nil {
		return
	}
	h := f.homes.At(done.Home)
	h.mu.Lock()
	if h.handing.Load() == done.Request {
		h.handing.Store(nil)
	} else {
		delete(h.open, done.Request)
	}
	if done.Request.Handling.App != OwnApp {
		h.secure[tlsIndex(done.Peer.TLS)]++
	}
	h.mu.Unlock()
}

func (f *flights) count() (n int) {
	f.all(func(h *homeFlights) {
		n += len(h.open)
		if h.handing.Load() != nil {
			n++
		}
	})
	return n
}

// secure returns how many requests came over which version of TLS.
func (f *flights) secure() map[string]uint64 {
	all := make(map[string]uint64)
	f.all(func(h *homeFlights) {
		for v, n := range h.secure {
			if n > 0 {
				all[tlsNames[v]] += n
			}
		}
	})
	return all
}

// flight is a request that was in flight when it was looked for.
type flight struct {
	request  *asteri.Request
	at       *homeFlights
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
		at       *homeFlights
		received int64 // Unix nanoseconds
	}
	all := make([]entry, 0, f.count())
	f.all(func(h *homeFlights) {
		if r := h.handing.Load(); r != nil {
			all = append(all, entry{r, h, r.Received.UnixNano()})
		}
		for r := range h.open {
			all = append(all, entry{r, h, r.Received.UnixNano()})
		}
	})
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.received, b.received) })
	all = all[:min(limit, len(all))]
	now := time.Now()
	shown := make([]*flight, 0, len(all))
	for _, one := range all {
		if found := one.at.describe(one.request, one.received, now); found != nil {
			shown = append(shown, found)
		}
	}
	return shown
}

// describe copies what does not change of a request, if it is still in flight. One that
// came at another time is another that has its memory.
func (h *homeFlights) describe(r *asteri.Request, received int64, now time.Time) *flight {
	h.mu.Lock()
	defer h.mu.Unlock()
	home := h.find(r)
	if home == nil || r.Received.UnixNano() != received {
		return nil
	}
	return &flight{request: r, at: h, home: home, received: r.Received, Request: Request{
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
func (one *flight) handled() {
	one.at.mu.Lock()
	open := one.at.find(one.request) != nil
	one.at.mu.Unlock()
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
