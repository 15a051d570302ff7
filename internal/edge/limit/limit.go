// Package limit bounds the rate at which each client may send requests.
package limit

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
)

// Rate is a limit: so many requests in so much time, and at once no more than
// Burst. It is a token bucket: Burst tokens at first, of which each request takes
// one and which come back at the rate.
type Rate struct {
	// Requests, at least 1, in the time Per, at least a second, are let
	// through in the long run.
	Requests int
	Per      time.Duration
	// Burst, at least 1, is how many may come at once.
	Burst int
}

// interval is the time in which one token comes back.
func (r Rate) interval() time.Duration { return max(r.Per/time.Duration(r.Requests), 1) }

// tableSize is how many clients are remembered, in all. A client that is forgotten
// is one that was heard of longest ago, and begins anew with a full bucket.
const tableSize = 1 << 16

// Handler returns a handler that answers 429 to requests beyond the rate and
// leaves the others to next. An IPv4 address or the /64 network of an IPv6 address
// counts as one client. Clients in exempt, and those without an address, have no
// limit.
func Handler(next asteri.Handler, r Rate, exempt *addrset.Set) asteri.Handler {
	return &handler{next: next, exempt: exempt, buckets: newTable(r, tableSize), start: time.Now()}
}

type handler struct {
	next    asteri.Handler
	exempt  *addrset.Set
	buckets *table
	start   time.Time
}

// ServeExchange implements asteri.Handler.
func (h *handler) ServeExchange(x asteri.Exchange) {
	r := x.Request()
	if wait := h.take(r.Peer.Remote.Addr(), r.Received); wait > 0 {
		x.Abort(&asteri.StatusError{
			Code: http.StatusTooManyRequests, Reason: "too many requests",
			RetryAfter: int((wait + time.Second - 1) / time.Second),
		})
		return
	}
	h.next.ServeExchange(x)
}

// take takes a token of addr's bucket. If there is none, it returns when there
// will be one.
func (h *handler) take(addr netip.Addr, now time.Time) (wait time.Duration) {
	if !addr.IsValid() || h.exempt.Contains(addr) {
		return 0
	}
	return h.buckets.take(addrset.Client(addr), now.Sub(h.start))
}
