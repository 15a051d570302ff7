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

// inflate appends what the message in buf stands for to dst, at most limit bytes.
// It appends to buf what is needed for an end.
func (z *Inflater) inflate(dst []byte, buf *[]byte, limit int) ([]byte, error) {
	*buf = append(*buf, endTail...)
	r := decompressors.Get().(*decompressor)
	defer decompressors.Put(r)
	r.in.Reset(*buf)
	start, context := len(dst), z.context.text
	for range maxFinalBlocks {
		if err := r.flate.(flate.Resetter).Reset(&r.in, context); err != nil {
			return dst, errDeflated
		}
		var err error
		if dst, err = r.read(dst, start+limit); err != nil {
			return dst, err
		}
		if r.in.Len() <= len(endTail) {
			z.context.add(dst[start:])
			return dst, nil
		}
		// The peer's own last block, and more to come.
		context = slices.Concat(z.context.text, dst[start:])
	}
	return dst, errDeflated
}

// decompressor is one of flate's, which holds tables and a window of some 80 kB
// in all, and its input.
type decompressor struct {
	in    bytes.Reader
	flate io.ReadCloser
}

var decompressors = sync.Pool{New: func() any {
	r := new(decompressor)
	r.flate = flate.NewReader(&r.in)
	return r
}}

// read appends all that comes up to a last block, unless dst becomes longer than
// limit.
func (r *decompressor) read(dst []byte, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.flate.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return dst, errMessageTooBig
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, errDeflated
		}
	}
}
