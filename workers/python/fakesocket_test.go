package python

import (
	"time"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// socket accepts a request, and does then what no worker may.
func (p *fakeProcess) socket(r fakeRequest) {
	p.send(wire.FrameAccept, 0, r.stream, []any{nil, []any{}})
	messages := func(items ...any) { p.send(wire.FrameReceived, 0, 0, wiretest.List(items)) }
	switch r.query {
	case "unknown":
		messages(r.stream+1, "x")
	case "odd":
		messages(r.stream)
	case "window":
		var items []any // at once, so that nothing is granted meanwhile
		for range 100 {
			items = append(items, r.stream, make([]byte, 10_000))
		}
		messages(items...)
	case "text":
		p.send(wire.FrameReceived, 0, 0, append([]byte("[\x02\x00\x00\x00i\x01\x00\x00\x00u\x01\x00\x00\x00"), 0xFF))
	case "tuple":
		messages(r.stream, []any{1, "a", 2, 3})
	case "int":
		messages(r.stream, 5)
	case "frame":
		p.send(wire.FrameStart, 0, r.stream, []any{200, []any{}})
	}
	time.Sleep(time.Hour)
}
