package loop

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/poller"
)

// maxIovecs bounds the pieces of one gathered write, to about flushBudget.
const maxIovecs = 16

// flush sends what is queued, as far as the peer takes it and one tick allows.
func (c *conn) flush() {
	c.isDirty = false
	if c.state == stateClosed || c.blocked {
		return
	}
	if c.layer != nil {
		c.layer.flush(c)
	} else {
		c.flushPlain()
	}
	if c.state != stateClosed {
		c.afterFlush()
	}
}

func (c *conn) flushPlain() {
	for sent := 0; !c.out.empty() && !c.blocked && !c.fileJob && c.state != stateClosed; {
		if sent >= flushBudget {
			c.markDirty()
			return
		}
		if c.out.head.file != nil {
			sent += c.sendFileHead()
			continue
		}
		sent += c.sendData(&c.out)
	}
}

// sendData writes the data chunks at the head of q, gathered, and returns how
// many bytes the peer took.
func (c *conn) sendData(q *sendQueue) int {
	var n int
	var errno unix.Errno
	head := q.head
	switch {
	case head.next == nil && c.state == stateFlushing && c.layer == nil:
		n, errno = sysWriteLast(c.fd, head.unsent())
	case head.next == nil || head.next.file != nil:
		n, errno = sysWrite(c.fd, head.unsent())
	default:
		var iov [maxIovecs]unix.Iovec
		n, errno = sysWritev(c.fd, gather(iov[:0], head))
	}
	switch errno {
	case 0:
		q.sentBytes(&c.loop.chunks, n)
		c.progress(n)
	case unix.EAGAIN:
		c.setBlocked()
	default:
		c.close(PeerClosed)
	}
	return n
}

func gather(iov []unix.Iovec, k *chunk) []unix.Iovec {
	for ; k != nil && k.file == nil && len(iov) < cap(iov); k = k.next {
		p := k.unsent()
		v := unix.Iovec{Base: unsafe.SliceData(p)}
		v.SetLen(len(p))
		iov = append(iov, v)
	}
	return iov
}

// afterFlush tells the session when the queue has become short, and goes on with
// closing when it has become empty.
func (c *conn) afterFlush() {
	if c.blocked != (c.want&poller.Writable != 0) {
		c.updateInterest()
	}
	if c.pace != nil && c.Queued() == 0 {
		c.pace = nil // the peer has been given everything
		c.timers[timerRate] = 0
	}
	if c.wasHigh && c.Queued() < int(c.low) && c.state == stateOpen {
		c.wasHigh = false
		c.session.OnDrain()
	}
	if c.endsOutput && !c.outputEnded && c.state == stateOpen && c.Queued() == 0 && !c.fileJob {
		c.endOutput()
	}
	if c.state == stateFlushing {
		if c.Queued() == 0 && !c.fileJob {
			c.flushed()
		} else {
			c.updateInterest() // nothing more is read
		}
	}
}

// endOutput closes the sending side of a connection that goes on receiving.
func (c *conn) endOutput() {
	if c.layer != nil && c.layer.sayGoodbye(c) {
		return // its close_notify is to be sent first
	}
	c.outputEnded = true
	sysEndOfOutput(c.fd)
}

// flushed closes a connection whose last byte was handed to the system.
func (c *conn) flushed() {
	if c.layer != nil && c.layer.sayGoodbye(c) {
		return // its close_notify is to be sent first
	}
	// The end goes in one packet with what sysWriteLast has left for it. Closing
	// alone would not do: with input unread it sends a reset, and nothing else.
	sysEndOfOutput(c.fd)
	if !c.lingers {
		c.close(Flushed)
		return
	}
	c.state = stateLingering
	c.lingerLeft = lingerBytes
	c.setTimer(timerLinger, lingerTime)
	c.updateInterest()
}
