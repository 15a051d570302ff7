// Package poller tells which file descriptors are ready. It knows descriptors
// and tokens and nothing else: no connections, no timers, no goroutines.
//
// There is one Poller type per kind of system, each keeping the contract of
// System: epoll on Linux, kqueue on darwin and the BSDs. Readiness is
// level-triggered.
package poller

import (
	"errors"
	"time"
)

// Token names a registration. Its upper half is the slot of the owner's table,
// its lower half the generation of that slot: when a descriptor is closed and
// its number reused, events of the old registration still carry the old
// generation, and the owner drops them.
type Token uint64

// NewToken joins a slot and a generation.
func NewToken(slot, generation uint32) Token {
	return Token(slot)<<32 | Token(generation)
}

// Slot returns the slot.
func (t Token) Slot() uint32 { return uint32(t >> 32) }

// Generation returns the generation.
func (t Token) Generation() uint32 { return uint32(t) }

// Ready is a set of conditions.
type Ready uint8

const (
	// Readable: a read would not block. For sockets also reported with
	// Hangup and Error, if reading is wanted, since a read then returns the
	// reason.
	Readable Ready = 1 << iota
	// Writable: a write would not block.
	Writable
	// Hangup: both directions are closed. epoll reports it whether wanted
	// or not, so an owner who pauses a descriptor must Remove it to stop it;
	// kqueue reports it only while Writable is wanted.
	Hangup
	// ReadHangup: the peer will send nothing more; bytes may still wait to
	// be read. Reported only if wanted, by kqueue only together with
	// Readable.
	ReadHangup
	// Error: a read or write would return an error. Reported with Hangup,
	// under the same rules; by kqueue also with Readable.
	Error
)

// Event says that the descriptor registered with Token is Ready. One Wait may
// return two events of one token, with different conditions.
type Event struct {
	Token Token
	Ready Ready
}

// System is the contract that the Poller of each system keeps. Users hold the
// concrete type; the conformance suite tests this. All methods except Wake
// belong to the goroutine that owns the poller.
type System interface {
	// Add registers fd, which must not be registered. want may be 0. t may
	// be anything except the token whose bits are all set.
	Add(fd int, t Token, want Ready) error
	// Modify replaces the token and the wanted set of a registered fd.
	Modify(fd int, t Token, want Ready) error
	// Remove ends the registration. It must be called before fd is closed,
	// unless CloseRemoves says that closing does it.
	Remove(fd int) error
	// Wait appends to dst[:0] the events that are ready, at most cap(dst)
	// of them, and returns it. It waits for the first one no longer than
	// max; 0 only looks, a negative max waits without end. Systems that
	// count in milliseconds round max up; beyond eleven days it may be cut
	// short. A wake-up or an interrupting signal returns early, possibly
	// without events, and is no error; so may, rarely, a wake-up whose
	// purpose the Wait before has served.
	Wait(dst []Event, max time.Duration) ([]Event, error)
	// Wake makes the Wait that waits now return, or else the next one that
	// would wait; one that only looks does not count. It may be called from
	// any goroutine, also after Close; calls before that return are
	// coalesced, and what was done before them is seen after it.
	Wake() error
	// Awake says that the owner is about to see to all that was done before
	// the calls of Wake so far: no Wait needs to return for their sake.
	Awake()
	// Close releases the poller. Registered descriptors stay open. A second
	// Close does nothing.
	Close() error
}

var _ System = (*Poller)(nil)

// longest is the longest single wait: some systems refuse much more.
const longest = 1e6 * time.Second

var errNoRoom = errors.New("poller: Wait needs room for at least one event")
