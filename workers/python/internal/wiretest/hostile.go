package wiretest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// What a worker does that was taken over. Small frames grow by references: marshal lets an
// object be named that came before.

const referred = 0x80 // of a type byte: the object enters the table

// again refers to the nth object of the table.
func again(n uint32) reference { return reference(binary.LittleEndian.AppendUint32([]byte{'r'}, n)) }

// reference is written as it is.
type reference []byte

// first enters an object into the table.
type first struct{ value any }

// repeated is a list of n times one value, which is the nth object of the table.
func repeated(n int, value any, slot uint32) List {
	list := List{first{value}}
	for range n - 1 {
		list = append(list, again(slot))
	}
	return list
}

const megabyte = 1 << 20

// HostileLink are attacks over the link by a worker that has a request.
func HostileLink(stream int64) map[string][]byte {
	frame := func(kind wire.FrameType, payload any) []byte { return Frame(kind, 0, stream, payload) }
	many := func(n int, one []byte) []byte { return bytes.Repeat(one, n) }
	long := string(bytes.Repeat([]byte("x"), megabyte))
	fields := func(n int, value any, slot uint32) []any {
		return append([]any{"X", first{value}}, pairs(n-1, slot)...)
	}
	start := frame(wire.FrameStart, []any{200, []any{}})
	end := Frame(wire.FrameData, wire.FlagEnd, stream, []byte("x"))
	return map[string][]byte{
		"answer with a long body":        frame(wire.FrameAnswers, List{[]any{stream, 200, []any{}, make([]byte, megabyte)}}),
		"answers without number":         frame(wire.FrameAnswers, repeated(200_000, []any{stream, 200, []any{}, []byte{}}, 0)),
		"answer with fields repeated":    frame(wire.FrameAnswers, List{[]any{stream, 200, fields(1000, long, 0), []byte{}}}),
		"answer with too many fields":    frame(wire.FrameAnswers, List{[]any{stream, 200, fields(100_000, "y", 0), []byte{}}}),
		"START with fields repeated":     frame(wire.FrameStart, []any{200, fields(1000, long, 0)}),
		"START with a long reason":       frame(wire.FrameStart, []any{"200 " + strings.Repeat("x", 10_000), []any{}}),
		"START with a reason alone":      frame(wire.FrameStart, []any{"Fine", []any{}}),
		"START with too many fields":     frame(wire.FrameStart, []any{200, fields(100_000, "y", 0)}),
		"TRAILERS with fields repeated":  append(start, frame(wire.FrameTrailers, fields(1000, long, 0))...),
		"TRAILERS with too many fields":  append(start, frame(wire.FrameTrailers, fields(100_000, "y", 0))...),
		"INFORM with fields repeated":    many(100, frame(wire.FrameInform, []any{103, fields(1000, long[:megabyte/16], 0)})),
		"INFORM without number":          many(200_000, frame(wire.FrameInform, []any{103, []any{"Link", "</a>"}})),
		"LOG with a record repeated":     frame(wire.FrameLog, repeated(5000, []any{40, "x", long, 0}, 0)),
		"LOG with a text repeated":       frame(wire.FrameLog, List{[]any{40, "x", first{long}, 0}, []any{40, "x", again(0), 0}}),
		"LOG that is too long":           frame(wire.FrameLog, List{[]any{40, "x", long + long, 0}}),
		"LOG of another shape":           frame(wire.FrameLog, List{[]any{40, "x", 5, 0}}),
		"ERROR that is too long":         frame(wire.FrameError, []any{long, long}),
		"ERROR with a text repeated":     frame(wire.FrameError, []any{first{long[:megabyte-100]}, again(0)}),
		"ABORT that is too long":         append(start, frame(wire.FrameAbort, []any{long, "x"})...),
		"FILE that is too long":          append(start, frame(wire.FrameFile, []any{long, 0, 0})...),
		"WINDOW for nothing":             frame(wire.FrameWindow, []byte{1, 0, 0, 0}),
		"DATA of nothing":                append(start, many(1000, frame(wire.FrameData, []byte{}))...),
		"DATA after the end":             append(append(start, end...), frame(wire.FrameData, []byte("x"))...),
		"an end after the end":           append(append(start, end...), end...),
		"TRAILERS after the end":         append(append(start, end...), frame(wire.FrameTrailers, []any{})...),
		"ABORT after the end":            append(append(start, end...), frame(wire.FrameAbort, []any{"why", ""})...),
		"ERROR twice":                    many(2, frame(wire.FrameError, []any{"why", "where"})),
		"INFORM after START":             append(start, frame(wire.FrameInform, []any{103, []any{}})...),
		"RETIRE with a payload":          frame(wire.FrameRetire, []byte("x")),
		"DONE with a payload":            frame(wire.FrameDone, []byte("x")),
		"a frame of the control socket":  frame(wire.FrameMetrics, []any{}),
		"a frame that is the front's":    frame(wire.FrameRequests, List{}),
		"READY once more":                frame(wire.FrameReady, map[string]any{}),
		"something behind a frame's end": frame(wire.FrameStart, append(Frame(0, 0, 0, []any{200, []any{}})[wire.HeaderLen:], 'N')),
	}
}

// pairs are n more fields with the value in a slot of the table.
func pairs(n int, slot uint32) (all []any) {
	for range n {
		all = append(all, "X", again(slot))
	}
	return all
}

// HostileControl are attacks over the control socket.
func HostileControl(stream int64) map[string][]byte {
	frame := func(kind wire.FrameType, payload any) []byte { return Frame(kind, 0, 0, payload) }
	long := string(bytes.Repeat([]byte("x"), megabyte))
	row := func(updates any) []any { return []any{"m", "counter", "", []any{}, "", updates} }
	updates := repeated(10_000, []any{[]any{}, 1.5}, 1)
	return map[string][]byte{
		"PONG that was not asked for":     frame(wire.FramePong, make([]byte, 8)),
		"PONG that is too long":           frame(wire.FramePong, make([]byte, 9)),
		"RECALLED that was not asked for": frame(wire.FrameRecalled, List{stream}),
		"STACKS that were not asked for":  frame(wire.FrameStacks, map[string]any{"a": "b"}),
		"METRICS with rows repeated":      frame(wire.FrameMetrics, []any{repeated(2000, row(updates), 0), 0, 0}),
		"METRICS with a text repeated":    frame(wire.FrameMetrics, []any{List{row(repeated(50, []any{[]any{long}, 1.5}, 0))}, 0, 0}),
		"MEMORY with a text repeated":     frame(wire.FrameMemory, repeated(60_000, []any{"GET", long[:megabyte/16], 1, 1, 1}, 0)),
		"MEMORY that is too long":         frame(wire.FrameMemory, List{[]any{"GET", long, 1, 1, 1}}),
		"SOURCES that were not asked for": frame(wire.FrameSources, List{"/srv/app.py"}),
		"SOURCES with a name repeated":    frame(wire.FrameSources, repeated(60_000, "/"+long[:megabyte/16], 0)),
		"RECALLED without number":         frame(wire.FrameRecalled, repeated(100_000, stream, 0)),
		"FD without a descriptor":         frame(wire.FrameFD, stream),
		"a frame that is the front's":     frame(wire.FramePing, make([]byte, 8)),
	}
}

// HugeStacks is an answer to STACK that would grow to a gigabyte.
func HugeStacks() []byte {
	stacks := map[string]any{"a": first{string(bytes.Repeat([]byte("x"), megabyte))}}
	var e marshal.Encoder
	e.Dict()
	e.Str("a")
	appendValue(&e, stacks["a"])
	for i := range 1000 {
		e.Str(fmt.Sprint(i))
		appendValue(&e, again(0))
	}
	e.EndDict()
	return Frame(wire.FrameStacks, 0, 0, e.Buf)
}
