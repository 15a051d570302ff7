package loop

import (
	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/system/poison"
	"github.com/asteri/asteri-loop/poller"
)

// onReady handles what the poller reported.
func (c *conn) onReady(r poller.Ready) {
	if r&poller.Writable != 0 {
		c.blocked = false
		c.markDirty()
	}
	if r&(poller.Readable|poller.ReadHangup) != 0 && c.wantsInput() {
		c.receive()
		return
	}
	// Error and Hangup come whether they are wanted or not. With nothing to
	// be read that could tell more, the connection is gone.
	if r&(poller.Error|poller.Hangup) != 0 {
		switch {
		case c.wantsInput():
			c.receive()
		case c.kind == adopted && (c.paused || c.queuedAgain):
			c.unwatch()
		default:
			c.close(PeerClosed)
		}
	}
}

// unwatch waits for a paused session. A client that has gone is no use any more, whatever
// it has sent; what the other side of an adopted socket has written before it closed that
// is still to be read, up to the end.
func (c *conn) unwatch() {
	if err := c.loop.poll.Remove(c.fd); err != nil {
		c.Abort(err)
		return
	}
	c.watched, c.want = false, 0
}

// receive reads once: the byte budget of a tick.
func (c *conn) receive() {
	if c.state == stateLingering {
		c.receiveAndDrop()
		return
	}
	if c.layer != nil {
		c.layer.receive(c)
		return
	}
	if len(c.kept) > 0 {
		c.receiveMore()
		return
	}
	n, errno := sysRead(c.fd, c.loop.in)
	if !c.received(n, errno) {
		return
	}
	if rest := c.deliver(c.loop.in[:n]); len(rest) > 0 {
		c.keep(rest)
	}
	c.afterInput()
}

// receiveMore reads behind the bytes that the session left.
func (c *conn) receiveMore() {
	n, errno := sysRead(c.fd, c.loop.in)
	if !c.received(n, errno) {
		return
	}
	c.keep(c.loop.in[:n])
	c.offer()
	c.afterInput()
}

// received handles the outcome of a read; false means that there are no bytes.
func (c *conn) received(n int, errno unix.Errno) bool {
	switch {
	case n > 0:
		c.active = c.loop.wheel.Current
		return true
	case errno == 0:
		c.endOfInput()
	case errno != unix.EAGAIN:
		c.close(PeerClosed)
	}
	return false
}

// endOfInput notes that the peer half-closed. The session is told at once even
// if it is paused: a request that waits in a queue has perhaps lost its client.
func (c *conn) endOfInput() {
	c.eof = true
	switch c.state {
	case stateLingering:
		c.close(Flushed)
	case stateOpen:
		if c.paused || !c.queuedAgain { // else it is told behind what is kept
			c.tellEOF()
		}
		c.updateInterest()
	}
}

// tellEOF tells the session, once while it is paused and once when it has been
// offered all bytes.
func (c *conn) tellEOF() {
	if c.state != stateOpen || c.eofTold {
		return
	}
	c.eofTold = !c.paused
	c.session.OnEOF()
}

// deliver offers bytes to the session until it wants no more, and returns what
// is left.
func (c *conn) deliver(in []byte) []byte {
	for len(in) > 0 && !c.paused && c.state == stateOpen {
		s := c.session
		n, err := s.OnData(in)
		if err != nil {
			c.Abort(err)
			return nil
		}
		if uint(n) > uint(len(in)) {
			misusedBy(s, "OnData", "returns how many bytes it has consumed, 0 to %d, and not %d", len(in), n)
		}
		poison.Fill(in[:n])
		in = in[n:]
		if n == 0 && c.session == s {
			break // it waits for more
		}
	}
	if c.state != stateOpen {
		return nil
	}
	return in
}

// offerAgain gives a session that resumed reading the bytes that were kept for it.
func (c *conn) offerAgain() {
	c.queuedAgain = false
	c.offer()
}

// offer gives the session the bytes kept for it.
func (c *conn) offer() {
	if c.state != stateOpen || c.paused {
		return
	}
	if c.layer != nil {
		c.layer.pump(c)
		return
	}
	c.offerKept()
	if c.eof && !c.paused {
		c.tellEOF()
	}
	c.afterInput()
}

func (c *conn) offerKept() {
	if len(c.kept) == 0 {
		return
	}
	rest := c.deliver(c.kept[c.keptFrom:])
	switch {
	case c.state != stateOpen:
	case len(rest) == 0:
		c.dropInput()
	default:
		c.keptFrom = int32(len(c.kept) - len(rest))
	}
}

// keep stores bytes behind those kept already.
func (c *conn) keep(p []byte) {
	if c.keptFrom > 0 {
		c.kept = c.kept[:copy(c.kept, c.kept[c.keptFrom:])]
		c.keptFrom = 0
	}
	before := cap(c.kept)
	c.kept = append(c.kept, p...)
	c.loop.reserve(cap(c.kept) - before)
}

func (c *conn) afterInput() {
	if c.paused || c.want&poller.Readable == 0 {
		c.updateInterest()
	}
}

// receiveAndDrop reads what a peer still sends to a connection that has said its
// last word, within bounds.
func (c *conn) receiveAndDrop() {
	n, errno := sysRead(c.fd, c.loop.in)
	if !c.received(n, errno) {
		return
	}
	if c.lingerLeft -= int32(n); c.lingerLeft <= 0 {
		c.close(Flushed)
	}
}
