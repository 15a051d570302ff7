package loop

import "time"

// turns are connections that wait for their turn of something. Those that are
// added during a round wait for the next one, so that connections which make work
// for each other, or for themselves, leave the loop its other duties.
type turns struct {
	conns []*conn
	next  int // conns[:next] have had theirs
}

func (t *turns) add(c *conn) { t.conns = append(t.conns, c) }

func (t *turns) empty() bool { return t.next == len(t.conns) }

// round gives each connection that is there now its turn. If a turn does not
// return, the next round goes on behind it.
func (t *turns) round(turn func(*conn)) { t.roundWithin(nil, turn) }

// roundWithin is a round that ends with its share of the tick. Who was left out is
// the first in the next one.
func (t *turns) roundWithin(s *share, turn func(*conn)) {
	for end := len(t.conns); t.next < end && !s.over(); {
		c := t.conns[t.next]
		t.next++
		c.loop.current = c
		turn(c)
		c.loop.current = nil
	}
	left := copy(t.conns, t.conns[t.next:])
	clear(t.conns[left:]) // a closed connection must not stay in memory
	t.conns, t.next = t.conns[:left], 0
}

// share is how much of a tick goes to one kind of work that may be long, such as what
// was posted: then the loop looks for events again, so that a client who asks for
// little does not wait for all of it. It ends after shareTime, which is looked at with
// every few pieces of work. A nil one has no end.
type share struct {
	pieces int
	until  time.Time
}

const (
	shareTime   = 2 * time.Millisecond
	sharePieces = 8
)

// over is asked before each piece of work.
func (s *share) over() bool {
	if s == nil {
		return false
	}
	if s.pieces++; s.pieces%sharePieces != 0 {
		return false
	}
	now := time.Now()
	if s.pieces == sharePieces {
		s.until = now.Add(shareTime)
	}
	return now.After(s.until)
}
