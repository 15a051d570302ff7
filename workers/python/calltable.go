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
	c.id = t.lastID
	c.begun, c.complete, c.filed, c.left, c.asked, c.abandoned, c.tookOver = false, false, false, false, false, false, false
	c.started, c.window, c.informs = time.Time{}, wire.ResponseWindow, 0
	c.informed, c.unread = 0, 0
	t.slots[c.id&mask] = c
	c.table.Store(t)
	t.open++
	if t.running < t.capacity {
		t.start(c, now)
	} else {
		t.waiting = append(t.waiting, c)
	}
}

func (t *callTable) start(c *call, now time.Time) {
	c.started = now
	c.isTaken(now)
	t.running++
}

// get returns the call with an id, or nil.
func (t *callTable) get(id uint32) *call {
	c := t.slots[id&uint32(len(t.slots)-1)]
	if c == nil || c.id != id {
		return nil
	}
	return c
}

// has tells whether c is in the table. It may have moved to another one, whose
// loop owns it then.
func (t *callTable) has(c *call) bool { return c.table.Load() == t }

// remove takes c out, and takes the next waiting call for started.
func (t *callTable) remove(c *call, now time.Time) {
	t.slots[c.id&uint32(len(t.slots)-1)] = nil
	t.open--
	if c.abandoned {
		t.abandoned--
	}
	c.table.Store(nil)
	if c.started.IsZero() {
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
	slices.SortFunc(dst, func(a, b *call) int { return cmp.Compare(int32(a.id-t.lastID), int32(b.id-t.lastID)) })
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
