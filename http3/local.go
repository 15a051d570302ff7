package http3

import (
	"sync"

	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/stream"
	"github.com/asteri/asteri-loop/loop"
)

// local is what the sessions of one home share. It belongs to the home's goroutine,
// except for its pools.
type local struct {
	*stream.Local
	loop    *loop.Loop
	scratch []byte // frames that are put together, no more than directMax
}

func newLocal(s *Server, l *loop.Loop) *local {
	return &local{Local: stream.NewLocal(&s.settings, l), loop: l}
}

// Pools for what begins on a stream's reading goroutine.
var (
	streams sync.Pool
	heads   = sync.Pool{New: func() any { return new(httpfield.RequestHead) }}
	pieces  sync.Pool
)

func takeStream() *serverStream {
	if st, ok := streams.Get().(*serverStream); ok {
		return st
	}
	return newServerStream()
}
