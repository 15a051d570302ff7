package ws

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// endTail is syncTail and an empty block that is marked as the last one, so that
// a decompressor finds an end.
const endTail = syncTail + "\x01\x00\x00\xFF\xFF"

// Inflater decompresses messages that are received.
type Inflater struct {
	context history
}

// newInflater makes an inflater for windows of 1<<bits bytes.
func newInflater(bits uint8, takeover bool) *Inflater {
	if !takeover {
		return &noContext
	}
	return &Inflater{history{keep: 1 << bits}}
}

// noContext has no state, so all connections share it.
var noContext Inflater

// maxFinalBlocks bounds how many blocks of a message may be marked as the last
// one (section 7.2.3.4), since each means to begin anew.
const maxFinalBlocks = 16

// decompressor unpacks one message. It is one of flate's, which holds tables and a
// window of some 80 kB in all, and its input.
type decompressor struct {
	in    bytes.Reader
	flate io.ReadCloser
	begun int // 1, and how many blocks were marked as the last one
}

// unpackerSize is about what a decompressor occupies, in bytes.
const unpackerSize = 80 << 10

var decompressors = sync.Pool{New: func() any {
	r := new(decompressor)
	r.flate = flate.NewReader(&r.in)
	return r
}}

// begin returns a decompressor for the message in buf, to which it appends what is
// needed for an end. buf must not change until the decompressor is given back.
func (z *Inflater) begin(buf *buffer) *decompressor {
	buf.p = append(buf.p, endTail...)
	r := decompressors.Get().(*decompressor)
	r.in.Reset(buf.p)
	r.begun = 0
	r.restart(z.context.text)
	return r
}

// giveBack lets go of a decompressor and of its input.
func (r *decompressor) giveBack() {
	r.in.Reset(nil)
	decompressors.Put(r)
}

// restart begins a sequence of blocks that may refer to context.
func (r *decompressor) restart(context []byte) {
	r.begun++
	_ = r.flate.(flate.Resetter).Reset(&r.in, context) // it fails for nothing
}

// step appends to dst, which begins with what earlier steps have made, until there
// are most bytes more or the message is complete. It fails if the message has more
// than limit bytes.
func (z *Inflater) step(r *decompressor, dst []byte, limit, most int) (out []byte, complete bool, err error) {
	for until := len(dst) + most; ; {
		var last bool
		if dst, last, err = r.read(dst, limit, until); err != nil || !last {
			return dst, false, err
		}
		if r.in.Len() <= len(endTail) {
			z.context.add(dst)
			return dst, true, nil
		}
		// The peer's own last block, and more to come.
		if r.begun == maxFinalBlocks {
			return dst, false, errDeflated
		}
		const window = 1 << fullBits
		r.restart(slices.Concat(z.context.text, dst[max(0, len(dst)-window):]))
	}
}

// read appends what comes up to a last block, or until dst has as many bytes.
func (r *decompressor) read(dst []byte, limit, until int) (out []byte, last bool, err error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.flate.Read(dst[len(dst):min(cap(dst), until)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return dst, false, errMessageTooBig
		case err == io.EOF:
			return dst, true, nil
		case err != nil:
			return dst, false, errDeflated
		case len(dst) >= until:
			return dst, false, nil
		}
	}
}
