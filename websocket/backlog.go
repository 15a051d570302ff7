package websocket

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// A large message is compressed a piece in each turn of the executor, as a fragment
// of its own, so that other connections are served in between. Until all of it is
// sent, what is written behind it waits here, and so does a Close. Pings and their
// answers go between the fragments (RFC 6455 section 5.4).

// turnPacked is how many bytes a connection compresses in one of its turns.
const turnPacked = 64 << 10

// backlog is what waits, in order. A connection has one only while something does.
type backlog struct {
	items  []item
	bytes  int  // in items
	queued int  // in the tunnel, when last heard
	posted bool // sendMore is called soon
}

// item is a message, or a part of one, or a Close.
type item struct {
	op       ws.Opcode
	fin      bool
	compress bool
	p        []byte // for Close the frame, else the payload
}

func (b *backlog) size() int {
	if b == nil {
		return 0
	}
	return b.bytes
}

// postpone adds to the backlog, which takes over it.p, and returns how many bytes
// wait to be sent.
func (c *Conn) postpone(it item) (queued int) {
	if c.backlog == nil {
		c.backlog = new(backlog)
	}
	b := c.backlog
	b.items = append(b.items, it)
	b.bytes += len(it.p)
	c.account()
	if b.queued < asteri.HighWater {
		c.sendSoon()
	}
	return b.queued + b.bytes
}

func (c *Conn) sendSoon() {
	if b := c.backlog; b != nil && !b.posted {
		b.posted = true
		c.home.later(c, (*Conn).sendMore)
	}
}

// sendMore sends what one turn has room for. If the peer does not keep up it is its
// turn then.
func (c *Conn) sendMore() {
	b := c.backlog
	if b == nil {
		return
	}
	b.posted = false
	for room := turnPacked; room > 0 && len(b.items) > 0; {
		n, err := b.sendFirst(c, room)
		if err != nil {
			c.dropBacklog() // the input tells of the loss
			return
		}
		room -= n
	}
	switch {
	case len(b.items) == 0:
		c.dropBacklog()
		if c.state == over {
			c.tunnel.Close()
		}
	case b.queued >= asteri.HighWater:
		c.tunnel.OnDrain(c.onDrained)
	default:
		c.sendSoon()
	}
	c.account()
	if c.drained != nil && c.state != over && b.bytes < asteri.LowWater {
		c.tunnel.OnDrain(c.onDrained)
	}
}

// sendFirst sends the first item, or as much of it as there is room for, and returns
// how much that was.
func (b *backlog) sendFirst(c *Conn, room int) (n int, err error) {
	it := &b.items[0]
	n = len(it.p)
	switch {
	case it.op == ws.Close:
		b.queued, err = c.tunnel.Write(it.p)
	case it.compress && n > room:
		n = room
		b.queued, err = c.data(it.op, false, true, it.p[:n])
		it.op, it.p = ws.Continuation, it.p[n:]
		b.bytes -= n
		return n, err
	default:
		b.queued, err = c.data(it.op, it.fin, it.compress, it.p)
	}
	b.items[0] = item{}
	b.items = b.items[1:]
	b.bytes -= n
	return n, err
}

// dropBacklog forgets what waits.
func (c *Conn) dropBacklog() {
	if c.backlog == nil {
		return
	}
	c.backlog = nil
	c.account()
	if c.state == over {
		c.home.wheel.Remove(c) // its last deadline was for this
	}
}
