// Package descriptors bounds how many of the process's descriptors its clients can
// make it hold, so that there are always some for what the server itself needs:
// workers, their pipes, the admin listener, its logs. A process has one table of
// descriptors, so there is one bound, for all engines.
//
// What clients may have is shared by connections and requests. A request holds one
// for each file that is open on its behalf, and one for a socket that a worker gets:
// together at most a quarter, so that new clients can come, and a sixteenth is kept
// from connections, so that those who are connected are served.
package descriptors

import (
	"errors"
	"sync"
	"sync/atomic"
)

// ErrExhausted says that requests hold as many descriptors as they may. It passes:
// the answer is 503 with a Retry-After.
var ErrExhausted = errors.New("requests hold as many descriptors as they may")

// RetryAfter is what a request that is refused for it is told, in seconds.
const RetryAfter = 1

// slack is for what the server opens now and then: listeners, logs, looks at files
// by a few goroutines, connections of its own.
const slack = 24

// table is the state of the bound.
type table struct {
	limit    int64        // of the system
	reserved atomic.Int64 // not for clients
	requests atomic.Int64
	conns    atomic.Int64
}

// process is the process's own, made when it is first asked for, with what is open
// by then reserved.
var process = sync.OnceValue(func() *table {
	limit := systemLimit()
	return newTable(limit, inUse(limit)+slack+min(limit/64, 256))
})

func newTable(limit, reserved int64) *table {
	t := &table{limit: limit}
	t.reserved.Store(reserved)
	return t
}

// clients returns how many are for clients: at least half, however small the
// system's limit is.
func (t *table) clients() int64 { return max(t.limit-t.reserved.Load(), t.limit/2) }

// bound is how many of them requests may hold.
func (t *table) bound() int64 { return max(t.clients()/4, 2) }

func (t *table) take() bool {
	if t.requests.Add(1) <= t.bound() {
		return true
	}
	t.requests.Add(-1)
	return false
}

// connections is how many of them connections may hold.
func (t *table) connections() int64 {
	all := t.clients()
	return all - max(t.requests.Load(), all/16)
}

func (t *table) room() bool { return t.conns.Load() < t.connections() }

// Reserve keeps n more descriptors from clients; a negative n gives them back.
func Reserve(n int) { process().reserved.Add(int64(n)) }

// Take counts a descriptor that is held for a request, and tells whether it may be.
// If so, Release is to be called once.
func Take() bool { return process().take() }

// Release gives back what Take counted.
func Release() { process().requests.Add(-1) }

// Bound returns how many descriptors requests may hold together.
func Bound() int { return int(process().bound()) }

// Connected counts n connections of clients, fewer of them if n is negative.
func Connected(n int) { process().conns.Add(int64(n)) }

// Connections returns how many connections there may be, as things are.
func Connections() int { return int(process().connections()) }

// Room tells whether another connection may be accepted.
func Room() bool { return process().room() }
