package loop

import "github.com/asteri/asteri-loop/poller"

// close makes the connection closed. The session hears of it at the end of the
// tick, never from within one of its own calls.
func (c *conn) close(cause error) {
	if c.state == stateClosed {
		return
	}
	c.state = stateClosed
	c.gone.Store(true)
	c.cause = cause
	c.loop.wheel.Remove(c)
	if c.watched && (c.fileJob || !poller.CloseRemoves) {
		_ = c.loop.poll.Remove(c.fd) // fails only if it was not registered, which is as good
	}
	c.loop.dropSlot(c.token)
	c.loop.closing.add(c)
}

// finishClose releases what a closed connection holds, and tells its session. Closing
// files and the session's last call may fail: it is then called again, and goes on.
func (c *conn) finishClose() {
	if c.fileJob {
		return // the file pool still uses fd, and its end comes back here
	}
	if c.fd >= 0 {
		c.release()
	}
	c.out.drop(&c.loop.chunks)
	if s := c.session; s != nil {
		c.session = nil
		s.OnClose(c.cause)
	}
}

// release gives up the descriptor, and what else is the loop's own.
func (c *conn) release() {
	sysClose(c.fd)
	c.fd = -1
	c.dropInput()
	if c.layer != nil {
		c.layer.close(c)
	}
	if c.kind == accepted {
		c.loop.lasting.closed(c.loop.now.Sub(c.info.Accepted))
		c.info.uncount(c.loop.engine)
		c.spokenEnds()
		c.loop.connectionClosed()
	}
}

func (c *conn) dropInput() {
	if c.kept != nil {
		c.loop.chunks.reserved -= int64(cap(c.kept))
		c.kept, c.keptFrom = nil, 0
	}
}
