package ws

import (
	"math/bits"
	"sync"

	"github.com/asteri/asteri-loop/internal/system/region"
)

// buffer holds a message that came in parts or was compressed. What one message has
// outgrown the next one uses, and what is large lies beside the heap: the collector would
// come too late for messages of megabytes that grow by copies.
type buffer struct {
	p      []byte
	region []byte // in which p lies, if any
}

const (
	minBuffer = 4 << 10   // what is smaller grows by itself, and is with the first of them
	maxBuffer = 128 << 10 // what is greater lies in a region
)

// buffers are kept by the power of two that they have room for, from minBuffer on.
var buffers [6]sync.Pool

// class returns the index of the smallest buffers with room for n bytes.
func class(n int) int { return bits.Len(uint(max(n, minBuffer)-1)) - bits.Len(minBuffer-1) }

func takeBuffer() *buffer {
	if b, ok := buffers[0].Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

// giveBack lets go of b and its content.
func (b *buffer) giveBack() {
	n := cap(b.p)
	switch {
	case b.region != nil:
		region.Give(b.region[:min(len(b.p), cap(b.region))])
	case n <= maxBuffer:
		b.p = b.p[:0]
		buffers[max(bits.Len(uint(n))-bits.Len(minBuffer), 0)].Put(b)
	}
}

// grow returns a buffer with the content of b and room for n bytes more, for a message
// that may come to most bytes.
func (b *buffer) grow(n, most int) *buffer {
	n += len(b.p)
	if n <= cap(b.p) || n <= minBuffer {
		return b
	}
	larger := withRoom(n, most)
	if larger == nil {
		return b
	}
	larger.p = append(larger.p[:0], b.p...)
	b.giveBack()
	return larger
}

// withRoom returns a buffer with room for n bytes, and nil where the system has no
// region: the heap has to do.
func withRoom(n, most int) *buffer {
	if n > maxBuffer {
		if p := region.Take(max(n, most)); p != nil {
			return &buffer{p: p, region: p}
		}
		return nil
	}
	if b, ok := buffers[class(n)].Get().(*buffer); ok {
		return b
	}
	return &buffer{p: make([]byte, 0, minBuffer<<class(n))}
}

// memory returns how many bytes of memory b takes.
func (b *buffer) memory() int {
	if b.region != nil {
		return region.Occupied(len(b.p))
	}
	return cap(b.p)
}
