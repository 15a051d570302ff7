package http1

import "github.com/asteri/asteri-loop"

// bodyReader finds the content in the bytes of a request body. It does no I/O
// and keeps no reference to the input. The zero value has no body.
type bodyReader struct {
	kind     bodyKind
	chunk    chunkState
	digits   uint8 // of the chunk size being read
	extra    uint16
	left     int64 // bytes left of the body, or of the present chunk
	received int64 // content so far
	trailer  *head // while a trailer section is incomplete
}

type bodyKind uint8

const (
	bodyDone bodyKind = iota // no body, or all of it has been read
	bodyFixed
	bodyChunked
)

// begin prepares for the body that a head announces. It works in place: copying
// a bodyReader that was just put together stalls the processor.
func (b *bodyReader) begin(h *head) {
	*b = bodyReader{}
	switch {
	case h.chunked:
		b.kind = bodyChunked
	case h.length > 0:
		b.kind = bodyFixed
		b.left = h.length
	}
}

// beginFixed prepares for a body of n bytes.
func (b *bodyReader) beginFixed(n int64) {
	*b = bodyReader{}
	if n > 0 {
		b.kind, b.left = bodyFixed, n
	}
}

func (b *bodyReader) done() bool { return b.kind == bodyDone }

// bodyPart is what one step of reading a body found.
type bodyPart struct {
	used    int    // bytes of the input that are dealt with
	content []byte // part of the input; may be empty
	trailer *asteri.Header
	refusal *asteri.StatusError
}

// next reads on in p and returns at most room bytes of content. It has made no
// progress when nothing is used: then it needs more input, or room.
func (b *bodyReader) next(p []byte, room int, at *local) bodyPart {
	if b.kind == bodyChunked {
		return b.nextChunked(p, room, at)
	}
	n := int(min(int64(min(len(p), room)), b.left))
	b.take(n)
	if b.left == 0 {
		b.kind = bodyDone
	}
	return bodyPart{used: n, content: p[:n]}
}

func (b *bodyReader) take(n int) {
	b.left -= int64(n)
	b.received += int64(n)
}
