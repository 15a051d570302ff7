package loop

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/asteri/asteri-loop/internal/bounds/addrset"
)

// refusal is why a connection was closed before a protocol had it.
type refusal uint8

const (
	refusedTotal refusal = iota // MaxConnections
	refusedAddress
	refusedUnrecognized
	refusedHandshake
	refusedProxyMissing
	refusedProxyMalformed
	refusedProxyTooLong
	refusedProxyUnsupported
	refusedProxyChecksum
	refusedProxyStranger
	refusedProxyIncomplete
	numRefusals
)

// refusalNames are the keys of Stats.Refused.
var refusalNames = [numRefusals]string{
	refusedTotal:            "max_connections",
	refusedAddress:          "max_connections_per_address",
	refusedUnrecognized:     "unrecognized",
	refusedHandshake:        "tls_handshake",
	refusedProxyMissing:     "proxy_missing",
	refusedProxyMalformed:   "proxy_malformed",
	refusedProxyTooLong:     "proxy_too_long",
	refusedProxyUnsupported: "proxy_unsupported",
	refusedProxyChecksum:    "proxy_checksum",
	refusedProxyStranger:    "proxy_not_allowed",
	refusedProxyIncomplete:  "proxy_incomplete",
}

// refusals counts them on all loops.
type refusals [numRefusals]atomic.Uint64

func (r *refusals) add(why refusal) { r[why].Add(1) }

func (r *refusals) byName() map[string]uint64 {
	var counts map[string]uint64
	for why := range r {
		if n := r[why].Load(); n > 0 {
			if counts == nil {
				counts = make(map[string]uint64)
			}
			counts[refusalNames[why]] = n
		}
	}
	return counts
}

// clients counts the open connections of each client, on all loops. It holds an
// entry for each client that is connected, and no more.
type clients struct {
	limit  int
	exempt func(netip.Addr) bool // nil for none

	mu   sync.Mutex
	open map[netip.Addr]int
}

// newClients returns nil if there is no limit.
func newClients(limit int, exempt func(netip.Addr) bool) *clients {
	if limit <= 0 {
		return nil
	}
	return &clients{limit: limit, exempt: exempt, open: make(map[netip.Addr]int)}
}

// enter counts a connection of addr. counted tells whether leave must be called;
// ok is false if addr has as many as it may.
func (c *clients) enter(addr netip.Addr) (counted, ok bool) {
	if c == nil || !addr.IsValid() || c.exempt != nil && c.exempt(addr) {
		return false, true
	}
	client := addrset.Client(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.open[client]
	if n >= c.limit {
		return false, false
	}
	c.open[client] = n + 1
	return true, true
}

// crowded tells whether addr has half of the connections that it may have.
func (c *clients) crowded(addr netip.Addr) bool {
	if c == nil || !addr.IsValid() || c.exempt != nil && c.exempt(addr) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return 2*c.open[addrset.Client(addr)] >= c.limit
}

func (c *clients) leave(addr netip.Addr) {
	client := addrset.Client(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.open[client] - 1; n > 0 {
		c.open[client] = n
	} else {
		delete(c.open, client)
	}
}

// count counts the connection as its client's, or tells that it is one too many.
func (c *conn) count() bool {
	counted, ok := c.loop.engine.clients.enter(c.info.Remote.Addr())
	c.info.counted = counted
	if !ok {
		c.loop.engine.refused.add(refusedAddress)
	}
	return ok
}

// uncount is called at the end of a connection.
func (i *ConnInfo) uncount(e *Engine) {
	if i.counted {
		i.counted = false
		e.clients.leave(i.Remote.Addr())
	}
}
