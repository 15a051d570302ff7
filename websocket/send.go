package websocket

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// shortMessage is the greatest message that is not compressed, in bytes, without
// and with takeover: it would hardly become smaller.
const (
	shortMessage         = 96
	shortMessageTakeover = 16
)

// shortFrame is up to which payload a frame is put together before it is written.
const shortFrame = 1 << 10

// Write sends a message, of which it keeps no part, and returns how many bytes
// wait to be sent to the peer: see asteri.Exchange.Write. Text is to be valid
// UTF-8. It returns asteri.ErrClosed once a Close was sent or received.
func (c *Conn) Write(kind Kind, p []byte) (queued int, err error) {
	return c.WritePart(kind, p, true)
}

// WritePart sends part of a message; last says that it is the end of it. All parts
// are of one kind, and text may be cut anywhere. No other message may be sent in
// between.
func (c *Conn) WritePart(kind Kind, p []byte, last bool) (queued int, err error) {
	if c.state > failing {
		return 0, asteri.ErrClosed
	}
	op := kind
	if c.part {
		op = ws.Continuation
	}
	if last {
		c.server.counts.messagesOut.Add(1)
	}
	compress := c.compresses(p, last)
	c.part = !last
	waiting := c.backlog.size()
	if c.backlog == nil && (!compress || len(p) <= turnPacked) {
		queued, err = c.data(op, last, compress, p)
		waiting = queued
	} else {
		queued = c.postpone(item{op, last, compress, bytes.Clone(p)})
	}
	if waiting > c.server.options.SendQueue && err == nil {
		c.server.counts.stalled.Add(1)
		c.Abort(errStalled)
		return queued, errStalled
	}
	return queued, err
}

// maxScratch is the greatest buffer that an executor keeps.
const maxScratch = 64 << 10

// data writes one frame of a message, compressed or not.
func (c *Conn) data(op ws.Opcode, fin, compress bool, p []byte) (queued int, err error) {
	if !compress {
		return c.frame(op, fin, false, p)
	}
	packed := c.deflater.Append(c.home.packed[:0], p, fin)
	queued, err = c.frame(op, fin, op != ws.Continuation, packed)
	if cap(packed) <= maxScratch {
		c.home.packed = packed
	}
	return queued, err
}

// compresses decides for the message that begins with p, or is under way.
func (c *Conn) compresses(p []byte, last bool) bool {
	switch {
	case c.deflater == nil:
		return false
	case c.part:
		return c.partPacked
	}
	least := shortMessage
	if c.deflater.Takeover() {
		least = shortMessageTakeover
	}
	c.partPacked = !last || len(p) > least
	return c.partPacked
}

// frame writes one frame.
func (c *Conn) frame(op ws.Opcode, fin, compressed bool, p []byte) (queued int, err error) {
	b := ws.AppendHeader(c.home.scratch[:0], op, fin, compressed, len(p))
	if len(p) <= shortFrame {
		b = append(b, p...)
		c.home.scratch = b
		return c.tunnel.Write(b)
	}
	c.home.scratch = b
	if _, err := c.tunnel.Write(b); err != nil {
		return 0, err
	}
	return c.tunnel.Write(p)
}

// send writes a control frame.
func (c *Conn) send(op ws.Opcode, p []byte) (queued int) {
	queued, _ = c.frame(op, true, false, p) // a connection that is lost is told by the input
	return queued
}

// pong answers a ping. A peer that sends them without reading the answers is not
// read itself until it does.
func (c *Conn) pong(p []byte) {
	if c.state != open {
		return
	}
	if c.send(ws.Pong, p) >= asteri.HighWater && !c.choked {
		c.choked = true
		c.tunnel.OnDrain(c.onDrained)
	}
}

// OnDrain sets the function to call, once, when few bytes wait to be sent: see
// asteri.Exchange.OnDrain.
func (c *Conn) OnDrain(fn func()) {
	c.drained = fn
	c.tunnel.OnDrain(c.onDrained)
}

func (c *Conn) onDrained() {
	if c.choked {
		c.choked = false
		c.readSoon()
	}
	c.sendSoon()
	if fn := c.drained; fn != nil && c.backlog.size() < asteri.LowWater {
		c.drained = nil
		fn()
	}
}

func (c *Conn) sendClose(code Code, reason string) {
	c.state = closing
	c.home.scratch = ws.AppendClose(c.home.scratch[:0], code, reason)
	if c.backlog != nil {
		c.postpone(item{op: ws.Close, p: bytes.Clone(c.home.scratch)})
		return
	}
	_, _ = c.tunnel.Write(c.home.scratch)
}
