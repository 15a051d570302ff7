package loop

import (
	"sync"
)

const (
	smallChunk = 4 << 10
	largeChunk = 32 << 10
	// keptChunks bounds each free list, so that a burst does not stay in
	// memory for ever.
	keptSmall = 256
	keptLarge = 32
)

// chunk is a piece of a send queue: bytes, or a range of a file.
type chunk struct {
	next *chunk
	data []byte // unsent bytes are data[sent:]
	sent int
	file File // not nil: off and left are the unsent range
	off  int64
	left int64
}

func (k *chunk) unsent() []byte { return k.data[k.sent:] }

// chunks is a loop's free list of buffers.
type chunks struct {
	small, large           *chunk
	smallCount, largeCount int
	budget                 *Budget
	reserved               int64 // not yet told to budget
}

// get returns an empty chunk with room for n bytes or largeChunk, whichever is
// less.
func (p *chunks) get(n int) *chunk {
	if n <= smallChunk {
		if k := p.small; k != nil {
			p.small, k.next = k.next, nil
			p.smallCount--
			p.reserved += smallChunk
			return k
		}
		p.reserved += smallChunk
		return &chunk{data: make([]byte, 0, smallChunk)}
	}
	p.reserved += largeChunk
	if k := p.large; k != nil {
		p.large, k.next = k.next, nil
		p.largeCount--
		return k
	}
	if k, ok := spareChunks.Get().(*chunk); ok {
		return k
	}
	return &chunk{data: make([]byte, 0, largeChunk)}
}

// spareChunks are large ones that a loop has no use for: what one connection gives up
// another may fill before the collector has been there.
var spareChunks sync.Pool

func (p *chunks) put(k *chunk) {
	if k.file != nil {
		k.file.Close()
		return
	}
	p.reserved -= int64(cap(k.data))
	k.data, k.sent = k.data[:0], 0
	switch {
	case cap(k.data) == smallChunk && p.smallCount < keptSmall:
		k.next, p.small = p.small, k
		p.smallCount++
	case cap(k.data) == largeChunk && p.largeCount < keptLarge:
		k.next, p.large = p.large, k
		p.largeCount++
	case cap(k.data) == largeChunk:
		spareChunks.Put(k)
	}
}

// settle tells the budget what has changed since the last call.
func (p *chunks) settle() {
	if p.reserved != 0 {
		p.budget.Reserve(p.reserved)
		p.reserved = 0
	}
}

// sendQueue holds what waits to be sent, in order.
type sendQueue struct {
	head, tail *chunk
	size       int // bytes, files included
	inFiles    int // of these
}

func (q *sendQueue) empty() bool { return q.head == nil }

func (q *sendQueue) write(spare *chunks, p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		t := q.tail
		if t == nil || t.file != nil || len(t.data) == cap(t.data) {
			t = spare.get(len(p))
			q.push(t)
		}
		n := copy(t.data[len(t.data):cap(t.data)], p)
		t.data = t.data[:len(t.data)+n]
		p = p[n:]
	}
}

func (q *sendQueue) writeFile(f File, off, n int64) {
	q.size += int(n)
	q.inFiles += int(n)
	q.push(&chunk{file: f, off: off, left: n})
}

func (q *sendQueue) push(k *chunk) {
	if q.tail == nil {
		q.head = k
	} else {
		q.tail.next = k
	}
	q.tail = k
}

// pop removes the head.
func (q *sendQueue) pop(spare *chunks) {
	k := q.head
	q.head, k.next = k.next, nil
	if q.head == nil {
		q.tail = nil
	}
	spare.put(k)
}

// sentBytes takes n bytes off the queue's data chunks.
func (q *sendQueue) sentBytes(spare *chunks, n int) {
	q.size -= n
	for n > 0 {
		k := q.head
		take := min(n, len(k.data)-k.sent)
		k.sent += take
		n -= take
		if k.sent == len(k.data) {
			q.pop(spare)
		}
	}
}

func (q *sendQueue) drop(spare *chunks) {
	for q.head != nil {
		q.pop(spare)
	}
	q.size, q.inFiles = 0, 0
}
