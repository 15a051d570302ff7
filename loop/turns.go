package loop

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
func (t *turns) round(turn func(*conn)) {
	for end := len(t.conns); t.next < end; {
		c := t.conns[t.next]
		t.next++
		turn(c)
	}
	left := copy(t.conns, t.conns[t.next:])
	clear(t.conns[left:]) // a closed connection must not stay in memory
	t.conns, t.next = t.conns[:left], 0
}
