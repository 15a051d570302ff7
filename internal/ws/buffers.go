package ws

import (
	"math/bits"
	"sync"
)

// Buffers hold messages that came in parts or were compressed. What one message has
// outgrown the next one uses: the collector would come too late for messages of
// megabytes that grow by copies.

const (
	minBuffer = 4 << 10 // what is smaller grows by itself, and is with the first of them
	maxBuffer = 1 << 20 // what is greater is not kept
)

// buffers are kept by the power of two that they have room for, from minBuffer on.
var buffers [9]sync.Pool

// class returns the index of the smallest buffers with room for n bytes.
func class(n int) int { return bits.Len(uint(max(n, minBuffer)-1)) - bits.Len(minBuffer-1) }

func takeBuffer() *[]byte {
	if b, ok := buffers[0].Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func giveBuffer(b *[]byte) {
	n := cap(*b)
	if n > maxBuffer {
		return
	}
	*b = (*b)[:0]
	buffers[max(bits.Len(uint(n))-bits.Len(minBuffer), 0)].Put(b)
}

// grow returns a buffer with the content of b and room for n bytes more.
func grow(b *[]byte, n int) *[]byte {
	n += len(*b)
	if n <= cap(*b) || n > maxBuffer || n <= minBuffer {
		return b
	}
	larger, ok := buffers[class(n)].Get().(*[]byte)
	if !ok {
		p := make([]byte, 0, minBuffer<<class(n))
		larger = &p
	}
	*larger = append((*larger)[:0], *b...)
	giveBuffer(b)
	return larger
}
