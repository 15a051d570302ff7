package http3

import (
	"sync"

	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/loop"
)

// local is what the sessions of one home share. It belongs to the home's goroutine,
// except for its pools.
type local struct {
	*exchange.Local
	loop    *loop.Loop
	section exchange.Section
	scratch []byte // frames that are put together, no more than directMax
}

func newLocal(s *Server, l *loop.Loop) *local {
	return &local{Local: exchange.NewLocal(&s.settings, l), loop: l, section: exchange.NewSection(&s.settings)}
}

// Pools for what begins on a stream's reading goroutine.
var (
	streams sync.Pool
	heads   = sync.Pool{New: func() any { return new(httpfield.RequestHead) }}
	pieces  sync.Pool
)

// raws are buffers of pieceRoom bytes for what writing goroutines are given: what one
// client does not read another one may be sent before the collector has been there.
var raws sync.Pool

func takeRaw() []byte {
	if p, ok := raws.Get().(*[pieceRoom]byte); ok {
		return p[:0]
	}
	return make([]byte, 0, pieceRoom)
}

// giveRaw takes back what takeRaw has returned, if b is such a buffer.
func giveRaw(b []byte) {
	if cap(b) == pieceRoom {
		raws.Put((*[pieceRoom]byte)(b[:pieceRoom]))
	}
}

func takeStream() *serverStream {
	if st, ok := streams.Get().(*serverStream); ok {
		return st
	}
	return newServerStream()
}
