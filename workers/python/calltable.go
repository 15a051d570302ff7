package python

import (
	"cmp"
	"slices"
	"time"

	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// callTable holds the calls at a worker by stream id. Ids only grow, so that the
// worker can tell an id that it has not read yet from one that has ended.
type callTable struct {
	slots     []*call // by id modulo the length, a power of two
	lastID    uint32
	open      int
	abandoned int // of those open: timed out

	// The front cannot know which calls the worker has started; it takes the
	// oldest ones for it, as many as the capacity. Clocks run from then on.
	capacity int
	running  int
	waiting  []*call // in order; at most as many as the credit

	sockets map[uint32]*socket // open ones; their ids are in use, too
}

// atLink is what the link knows of a call in its table.
type atLink struct {
	id        uint32
	started   time.Time // when it is taken to run; zero while it waits in the link
	lastFrame time.Time
	window    int   // response bytes that the worker may send
	informed  int32 // bytes of the fields of interim responses
	unread    int32 // bytes of a streamed body that were sent and not granted again
	informs   uint8 // interim responses that have come
	begun     bool  // a frame of the response has come
	complete  bool  // its last one has: only WINDOW and DONE may follow
	filed     bool  // a FILE has come
	left      bool  // the worker was told that the client has left for good
	asked     bool  // it was asked back by RECALL
	abandoned bool  // it timed out; the worker may still be at it
	tookOver  bool  // the application has taken over the connection
}

// touched notes a sign of life of the call.
func (k *atLink) touched(now time.Time) { k.lastFrame = now }

func (t *callTable) init(capacity int) {
	n := 16
	for n < 2*(capacity+dispatch.MaxCredit) {
		n *= 2
	}
	t.slots = make([]*call, n)
	t.capacity = capacity
}

// add gives c an id and a slot. There is always a free slot, because the
// dispatcher places fewer calls than there are.
func (t *callTable) add(c *call, now time.Time) {
	mask := uint32(len(t.slots) - 1)
	for {
		t.lastID++
		if t.lastID != 0 && t.slots[t.lastID&mask] == nil && t.sockets[t.lastID] == nil {
			break
		}
	}
	c.atLink = atLink{id: t.lastID, window: wire.ResponseWindow}
	t.slots[c.atLink.id&mask] = c
	c.table.Store(t)
	t.open++
	if t.running < t.capacity {
		t.start(c, now)
	} else {
		t.waiting = append(t.waiting, c)
	}
}

func (t *callTable) start(c *call, now time.Time) {
	c.atLink.started = now
	c.isTaken(now)
	t.running++
}

// get returns the call with an id, or nil.
func (t *callTable) get(id uint32) *call {
	c := t.slots[id&uint32(len(t.slots)-1)]
	if c == nil || c.atLink.id != id {
		return nil
	}
	return c
}

// has tells whether c is in the table. It may have moved to another one, whose
// loop owns it then.
func (t *callTable) has(c *call) bool { return c.table.Load() == t }

// remove takes c out, and takes the next waiting call for started.
func (t *callTable) remove(c *call, now time.Time) {
	t.slots[c.atLink.id&uint32(len(t.slots)-1)] = nil
	t.open--
	if c.atLink.abandoned {
		t.abandoned--
	}
	c.table.Store(nil)
	if c.atLink.started.IsZero() {
		at := slices.Index(t.waiting, c)
		t.waiting = slices.Delete(t.waiting, at, at+1)
		return
	}
	t.running--
	if len(t.waiting) > 0 {
		t.start(t.waiting[0], now)
		t.waiting = slices.Delete(t.waiting, 0, 1)
	}
}

// all appends the calls that are open to dst, oldest first.
func (t *callTable) all(dst []*call) []*call {
	for _, c := range t.slots {
		if c != nil {
			dst = append(dst, c)
		}
	}
	slices.SortFunc(dst, func(a, b *call) int { return cmp.Compare(int32(a.atLink.id-t.lastID), int32(b.atLink.id-t.lastID)) })
	return dst
}

// addSocket keeps a WebSocket that a call has become, under the call's id.
func (t *callTable) addSocket(s *socket) {
	if t.sockets == nil {
		t.sockets = make(map[uint32]*socket)
	}
	t.sockets[s.id] = s
}

func (t *callTable) removeSocket(s *socket) { delete(t.sockets, s.id) }
