package websocket

// A message of 16 KiB can stand for 16 MiB, and to unpack it takes as long as to serve
// a thousand requests. So the connections of an executor together unpack, or compress,
// only so much in one of its turns, and those that have more to do take turns.

const (
	// turnWork is how many bytes that is: a fraction of a millisecond's work.
	turnWork = 128 << 10
	// turnConns is how many of those that wait go on in one turn.
	turnConns = 2
)

// turns is an executor's share of that work. It belongs to the executor.
type turns struct {
	room    int // bytes left, until the next turn
	waiting []turn
	posted  bool // the next turn is on its way
}

// turn is a connection and what it does when its turn comes.
type turn struct {
	conn *Conn
	fn   func(*Conn)
}

// worked takes n bytes from the room. There is new room in the next turn, once it is
// used up: short messages do not cost an event each.
func (h *home) worked(n int) {
	if h.room -= n; h.room <= 0 {
		h.nextTurn()
	}
}

// later has fn called for c in a later turn.
func (h *home) later(c *Conn, fn func(*Conn)) {
	h.waiting = append(h.waiting, turn{c, fn})
	h.nextTurn()
}

func (h *home) nextTurn() {
	if !h.posted {
		h.posted = h.executor.Post(h.begin)
	}
}

// begin is the beginning of a turn. What it has done runs by itself, so that one that
// fails harms no other.
func (h *home) begin() {
	h.posted = false
	h.room = turnWork
	n := min(len(h.waiting), turnConns)
	for _, t := range h.waiting[:n] {
		t.conn.post(func() {
			h.room = max(h.room, turnWork/turnConns)
			t.fn(t.conn)
		})
	}
	clear(h.waiting[:n])
	if h.waiting = h.waiting[n:]; len(h.waiting) == 0 {
		h.waiting = nil
		return
	}
	h.nextTurn()
}
