package http3

import (
	"sync"

	"github.com/quic-go/qpack"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/stream"
	"github.com/asteri/asteri-loop/loop"
)

// local is what the sessions of one home share. It belongs to the home's goroutine,
// except for its pools.
type local struct {
	*stream.Local
	server *Server

	scratch []byte // frames that are put together
	encoder *qpack.Encoder
}

// maxScratch bounds the memory that scratch keeps.
const maxScratch = 64 << 10

func newLocal(s *Server, l *loop.Loop) *local {
	at := &local{Local: stream.NewLocal(&s.settings, l, l.Budget().Reserve), server: s}
	at.encoder = qpack.NewEncoder((*scratchWriter)(at))
	return at
}

// scratchWriter takes what the encoder makes.
type scratchWriter local

func (w *scratchWriter) Write(p []byte) (int, error) {
	w.scratch = append(w.scratch, p...)
	return len(p), nil
}

// headers returns a HEADERS frame, valid until scratch is used again.
func (at *local) headers(fields []asteri.Field) []byte {
	// The payload is put behind room for the longest frame header, which is then
	// written against it.
	at.scratch = append(at.scratch[:0], make([]byte, frameHeaderMax)...)
	for _, f := range fields {
		_ = at.encoder.WriteField(qpack.HeaderField{Name: string(f.Name), Value: string(f.Value)})
	}
	_ = at.encoder.Close()
	b := at.scratch
	var header [frameHeaderMax]byte
	h := appendFrameHeader(header[:0], frameHeaders, len(b)-frameHeaderMax)
	start := frameHeaderMax - len(h)
	copy(b[start:], h)
	return b[start:]
}

// tidy gives memory back that one large answer took.
func (at *local) tidy() {
	if cap(at.scratch) > maxScratch {
		at.scratch = nil
	}
}

// Pools for what begins on a stream's reading goroutine.
var (
	streams sync.Pool
	heads   = sync.Pool{New: func() any { return new(httpfield.RequestHead) }}
	pieces  = sync.Pool{New: func() any { return new([pieceSize]byte) }}
)

func takeStream() *serverStream {
	if st, ok := streams.Get().(*serverStream); ok {
		return st
	}
	return newServerStream()
}

// pieceSize is how much of a request's content is read and posted at a time.
const pieceSize = 16 << 10
