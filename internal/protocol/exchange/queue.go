package exchange

import (
	"errors"
	"io"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

// chunkSize is the size of the pieces in which queues keep bytes. It is that of
// the smallest SETTINGS_MAX_FRAME_SIZE, so that a chunk fills a DATA frame.
const chunkSize = 16 << 10

// maxFree bounds the free chunks of a home.
const maxFree = 32

// chunk is a piece of a queue: bytes, or a range of a file.
type chunk struct {
	next *chunk
	data []byte // unsent bytes are data[sent:]
	sent int
	file asteri.File // not nil: off and left are the unsent range
	off  int64
	left int64

	loads *Loads // not nil: data is of a file, and counted there
}

// Loads counts the bytes of files that the queues of one connection have in memory.
// However small its streams' windows are, and however many they are, they have little
// more than maxLoads together.
type Loads int

const (
	// maxLoads is as much as handlers may have waiting, too.
	maxLoads = 4 * asteri.HighWater
	// loadSize is how much of a file is read at a time, chunkSize where there is
	// much already.
	loadSize = 128 << 10
)

// take returns how much may be read, and counts it.
func (l *Loads) take(left int64) int {
	size := min(left, loadSize)
	if *l >= maxLoads {
		size = min(left, chunkSize)
	}
	*l += Loads(size)
	return int(size)
}

func (l *Loads) giveBack(size int) { *l -= Loads(size) }

// Reserver counts memory that is held for a client.
type Reserver interface {
	// Reserve counts n bytes more, or less if n is negative.
	Reserve(n int)
}

// Queue holds content of one stream, in order, and how it ends. It belongs to the
// home's goroutine. It is empty at first, and CountBy comes before its use.
type Queue struct {
	memory     Reserver
	head, tail *chunk
	size       int // bytes, files included
	inFiles    int // of these
	loading    bool
	ended      bool
	trailer    *asteri.Header
}

// CountBy has m count what the queue keeps in memory.
func (q *Queue) CountBy(m Reserver) { q.memory = m }

// Len returns how many bytes are queued, none in a queue that is nil.
func (q *Queue) Len() int {
	if q == nil {
		return 0
	}
	return q.size
}

// Kept returns how many bytes are in memory.
func (q *Queue) Kept() int { return q.size - q.inFiles }

// Ended tells whether the queue holds all to its end, which End has said.
func (q *Queue) Ended() bool { return q.ended }

// Trailer returns what End was given.
func (q *Queue) Trailer() *asteri.Header { return q.trailer }

// End says that nothing follows but a trailer section, which may be nil.
func (q *Queue) End(trailer *asteri.Header) { q.ended, q.trailer = true, trailer }

// Write queues a copy of p.
func (q *Queue) Write(at *Local, p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		t := q.tail
		if t == nil || t.file != nil || len(t.data) == cap(t.data) {
			t = at.takeChunk(len(p))
			q.memory.Reserve(cap(t.data))
			q.push(t)
		}
		n := copy(t.data[len(t.data):cap(t.data)], p)
		t.data = t.data[:len(t.data)+n]
		p = p[n:]
	}
}

// WriteFile queues n bytes of f from offset off, and takes over f.
func (q *Queue) WriteFile(f asteri.File, off, n int64) {
	q.size += int(n)
	q.inFiles += int(n)
	q.push(&chunk{file: f, off: off, left: n})
}

// Peek returns at most limit of the next bytes, as many as lie together. It
// returns none if the queue is empty, or if what is next is in a file: see Load.
// The bytes live until Advance or Drop.
func (q *Queue) Peek(limit int) []byte {
	k := q.head
	if k == nil || k.file != nil {
		return nil
	}
	p := k.data[k.sent:]
	return p[:min(len(p), limit)]
}

// Advance takes n bytes, which Peek has returned, off the queue.
func (q *Queue) Advance(at *Local, n int) {
	q.size -= n
	k := q.head
	k.sent += n
	if k.sent == len(k.data) {
		q.pop(at)
	}
}

// Load has the next piece of a file read into memory, off the home's goroutine,
// if that is what comes next. done is called on the home when it is there: with an
// error if it cannot be had, which the content's length was announced for. A queue
// that was dropped meanwhile is left alone, and done is not called.
func (q *Queue) Load(at *Local, loads *Loads, done func(error)) {
	k := q.head
	if q.loading || k == nil || k.file == nil {
		return
	}
	q.loading = true
	file, off, piece := k.file, k.off, make([]byte, loads.take(k.left))
	at.disk.Go(func() {
		n, err, returned := 0, error(nil), false
		defer func() {
			if !returned {
				err = callback.Panicked(recover())
			}
			at.Home.Post(func() { q.loaded(at, k, &chunk{data: piece[:n], loads: loads}, err, done) })
		}()
		read, failure := file.ReadAt(piece, off)
		n, err, returned = len(piece[:read]), failure, true
	})
}

// loaded puts a piece in front of the rest of its file.
func (q *Queue) loaded(at *Local, k, piece *chunk, err error, done func(error)) {
	if q.head != k { // dropped
		k.file.Close()
		piece.loads.giveBack(cap(piece.data))
		return
	}
	q.loading = false
	if len(piece.data) == 0 {
		piece.loads.giveBack(cap(piece.data))
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file has become shorter
		}
		done(err)
		return
	}
	q.memory.Reserve(cap(piece.data))
	k.off += int64(len(piece.data))
	k.left -= int64(len(piece.data))
	q.inFiles -= len(piece.data)
	q.head, piece.next = piece, k
	if k.left == 0 {
		piece.next = k.next
		if q.tail == k {
			q.tail = piece
		}
		k.file.Close()
	}
	done(nil)
}

// Drop empties the queue. A file that is being read is closed when that is done.
func (q *Queue) Drop(at *Local) {
	if q.loading {
		q.head = q.head.next
	}
	for q.head != nil {
		q.pop(at)
	}
	*q = Queue{memory: q.memory}
}

func (q *Queue) push(k *chunk) {
	if q.tail == nil {
		q.head = k
	} else {
		q.tail.next = k
	}
	q.tail = k
}

func (q *Queue) pop(at *Local) {
	k := q.head
	q.head, k.next = k.next, nil
	if q.head == nil {
		q.tail = nil
	}
	if k.file != nil {
		k.file.Close()
		return
	}
	q.memory.Reserve(-cap(k.data))
	at.putChunk(k)
}

// takeChunk returns an empty chunk for n bytes or more to come: a small one if
// there are few.
func (at *Local) takeChunk(n int) *chunk {
	if n <= smallChunk {
		return &chunk{data: make([]byte, 0, smallChunk)}
	}
	if k := at.chunks; k != nil {
		at.chunks, k.next = k.next, nil
		at.free--
		return k
	}
	if k, ok := spareChunks.Get().(*chunk); ok {
		return k
	}
	return &chunk{data: make([]byte, 0, chunkSize)}
}

// spareChunks are those that a home has no use for: what one client gives up another
// may fill before the collector has been there.
var spareChunks sync.Pool

const smallChunk = 1 << 10

func (at *Local) putChunk(k *chunk) {
	if k.loads != nil {
		k.loads.giveBack(cap(k.data))
		k.loads = nil
	}
	if cap(k.data) != chunkSize {
		return
	}
	k.data, k.sent = k.data[:0], 0
	if at.free == maxFree {
		spareChunks.Put(k)
		return
	}
	k.next, at.chunks = at.chunks, k
	at.free++
}
