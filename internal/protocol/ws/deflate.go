package ws

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// Compression of messages, RFC 7692 section 7.2. No state of a compressor or
// decompressor is ever kept for a connection. What one message may refer to is
// the text of earlier ones, and if context takeover was agreed on, some of that
// text is.

// Windows are from 1<<minBits to 1<<fullBits bytes, section 7.1.2.
const (
	minBits  = 8
	fullBits = 15
)

// ownContext is how much text of earlier messages those that we send refer to:
// what flate's stateless compressor makes use of.
const ownContext = 8 << 10

// syncTail ends compressed data that was flushed; it is taken off a message
// (section 7.2.1).
const syncTail = "\x00\x00\xFF\xFF"

// history is the end of the text that has gone one way.
type history struct {
	keep int // bytes
	text []byte
}

func (h *history) add(p []byte) {
	switch over := len(h.text) + len(p) - h.keep; {
	case h.keep == 0:
		return
	case len(p) >= h.keep:
		h.text, p = h.text[:0], p[len(p)-h.keep:]
	case over > 0:
		h.text = h.text[:copy(h.text, h.text[over:])]
	}
	h.text = append(h.text, p...)
}

// Deflater compresses messages that are sent.
type Deflater struct {
	bits    uint8 // references reach back no farther than 1<<bits
	context history
}

// newDeflater makes a deflater for windows of 1<<bits bytes. Context is for the
// full window only: hardly anybody asks for less, and does so to save memory.
func newDeflater(bits uint8, takeover bool) *Deflater {
	d := &Deflater{bits: bits}
	if takeover && bits == fullBits {
		d.context.keep = ownContext
	}
	return d
}

// Append appends p, compressed. last says that p ends its message: fragments are
// compressed one after the other.
func (d *Deflater) Append(dst, p []byte, last bool) []byte {
	out := appender{dst}
	if d.bits == fullBits {
		// Writing to memory does not fail.
		_ = flate.StatelessDeflate(&out, p, false, d.context.text)
		d.context.add(p)
	} else {
		compressNarrow(&out, p, d.bits)
	}
	if last {
		out.p = out.p[:len(out.p)-len(syncTail)]
	}
	return out.p
}

// narrow are compressors for windows of 1<<8 to 1<<14 bytes, which the stateless
// one cannot do.
var narrow [fullBits - minBits]sync.Pool

func compressNarrow(out *appender, p []byte, bits uint8) {
	pool := &narrow[bits-minBits]
	w, ok := pool.Get().(*flate.Writer)
	if ok {
		w.Reset(out)
	} else {
		// It fails only for sizes that there are not, and writing to memory
		// never.
		w, _ = flate.NewWriterWindow(out, 1<<bits)
	}
	_, _ = w.Write(p)
	_ = w.Flush()
	w.Reset(nil) // it must not keep the message in memory
	pool.Put(w)
}

// Rest forgets the text of earlier messages, so that an idle connection holds
// nothing. That is always allowed: nobody has to make use of the context.
func (d *Deflater) Rest() { d.context.text = nil }

// Takeover tells whether messages may refer to earlier ones.
func (d *Deflater) Takeover() bool { return d.context.keep > 0 }

type appender struct{ p []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.p = append(a.p, p...)
	return len(p), nil
}
