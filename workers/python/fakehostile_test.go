package python

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/marshal"
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
func repeated(n int, value any, slot uint32) fakeList {
	list := fakeList{first{value}}
	for range n - 1 {
		list = append(list, again(slot))
	}
	return list
}

const megabyte = 1 << 20

// hostileLink are attacks over the link by a worker that has a request.
func hostileLink(stream int64) map[string][]byte {
	frame := func(kind frameType, payload any) []byte { return fakeFrame(kind, 0, stream, payload) }
	many := func(n int, one []byte) []byte { return bytes.Repeat(one, n) }
	long := string(bytes.Repeat([]byte("x"), megabyte))
	fields := func(n int, value any, slot uint32) []any {
		return append([]any{"X", first{value}}, pairs(n-1, slot)...)
	}
	start := frame(frameStart, []any{200, []any{}})
	end := fakeFrame(frameData, flagEnd, stream, []byte("x"))
	return map[string][]byte{
		"answer with a long body":        frame(frameAnswers, fakeList{[]any{stream, 200, []any{}, make([]byte, megabyte)}}),
		"answers without number":         frame(frameAnswers, repeated(200_000, []any{stream, 200, []any{}, []byte{}}, 0)),
		"answer with fields repeated":    frame(frameAnswers, fakeList{[]any{stream, 200, fields(1000, long, 0), []byte{}}}),
		"answer with too many fields":    frame(frameAnswers, fakeList{[]any{stream, 200, fields(100_000, "y", 0), []byte{}}}),
		"START with fields repeated":     frame(frameStart, []any{200, fields(1000, long, 0)}),
		"START with a long reason":       frame(frameStart, []any{"200 " + strings.Repeat("x", 10_000), []any{}}),
		"START with a reason alone":      frame(frameStart, []any{"Fine", []any{}}),
		"START with too many fields":     frame(frameStart, []any{200, fields(100_000, "y", 0)}),
		"TRAILERS with fields repeated":  append(start, frame(frameTrailers, fields(1000, long, 0))...),
		"TRAILERS with too many fields":  append(start, frame(frameTrailers, fields(100_000, "y", 0))...),
		"INFORM with fields repeated":    many(100, frame(frameInform, []any{103, fields(1000, long[:megabyte/16], 0)})),
		"INFORM without number":          many(200_000, frame(frameInform, []any{103, []any{"Link", "</a>"}})),
		"LOG with a record repeated":     frame(frameLog, repeated(5000, []any{40, "x", long, 0}, 0)),
		"LOG with a text repeated":       frame(frameLog, fakeList{[]any{40, "x", first{long}, 0}, []any{40, "x", again(0), 0}}),
		"LOG that is too long":           frame(frameLog, fakeList{[]any{40, "x", long + long, 0}}),
		"LOG of another shape":           frame(frameLog, fakeList{[]any{40, "x", 5, 0}}),
		"ERROR that is too long":         frame(frameError, []any{long, long}),
		"ERROR with a text repeated":     frame(frameError, []any{first{long[:megabyte-100]}, again(0)}),
		"ABORT that is too long":         append(start, frame(frameAbort, []any{long, "x"})...),
		"FILE that is too long":          append(start, frame(frameFile, []any{long, 0, 0})...),
		"WINDOW for nothing":             frame(frameWindow, []byte{1, 0, 0, 0}),
		"DATA of nothing":                append(start, many(1000, frame(frameData, []byte{}))...),
		"DATA after the end":             append(append(start, end...), frame(frameData, []byte("x"))...),
		"an end after the end":           append(append(start, end...), end...),
		"TRAILERS after the end":         append(append(start, end...), frame(frameTrailers, []any{})...),
		"ABORT after the end":            append(append(start, end...), frame(frameAbort, []any{"why", ""})...),
		"ERROR twice":                    many(2, frame(frameError, []any{"why", "where"})),
		"INFORM after START":             append(start, frame(frameInform, []any{103, []any{}})...),
		"RETIRE with a payload":          frame(frameRetire, []byte("x")),
		"DONE with a payload":            frame(frameDone, []byte("x")),
		"a frame of the control socket":  frame(frameMetrics, []any{}),
		"a frame that is the front's":    frame(frameRequests, fakeList{}),
		"READY once more":                frame(frameReady, map[string]any{}),
		"something behind a frame's end": frame(frameStart, append(fakeFrame(0, 0, 0, []any{200, []any{}})[headerLen:], 'N')),
	}
}

// pairs are n more fields with the value in a slot of the table.
func pairs(n int, slot uint32) (all []any) {
	for range n {
		all = append(all, "X", again(slot))
	}
	return all
}

// hostileControl are attacks over the control socket.
func hostileControl(stream int64) map[string][]byte {
	frame := func(kind frameType, payload any) []byte { return fakeFrame(kind, 0, 0, payload) }
	long := string(bytes.Repeat([]byte("x"), megabyte))
	row := func(updates any) []any { return []any{"m", "counter", "", []any{}, "", updates} }
	updates := repeated(10_000, []any{[]any{}, 1.5}, 1)
	return map[string][]byte{
		"PONG that was not asked for":     frame(framePong, make([]byte, 8)),
		"PONG that is too long":           frame(framePong, make([]byte, 9)),
		"RECALLED that was not asked for": frame(frameRecalled, fakeList{stream}),
		"STACKS that were not asked for":  frame(frameStacks, map[string]any{"a": "b"}),
		"METRICS with rows repeated":      frame(frameMetrics, []any{repeated(2000, row(updates), 0), 0, 0}),
		"METRICS with a text repeated":    frame(frameMetrics, []any{fakeList{row(repeated(50, []any{[]any{long}, 1.5}, 0))}, 0, 0}),
		"MEMORY with a text repeated":     frame(frameMemory, repeated(60_000, []any{"GET", long[:megabyte/16], 1, 1, 1}, 0)),
		"MEMORY that is too long":         frame(frameMemory, fakeList{[]any{"GET", long, 1, 1, 1}}),
		"RECALLED without number":         frame(frameRecalled, repeated(100_000, stream, 0)),
		"FD without a descriptor":         frame(frameFD, stream),
		"a frame that is the front's":     frame(framePing, make([]byte, 8)),
	}
}

// hostileDescriptors sends descriptors that nobody has asked for.
func (p *fakeProcess) hostileDescriptors(what string, stream int64) {
	send := func(data []byte, fds ...int) { p.control.WriteMsgUnix(data, unix.UnixRights(fds...), nil) }
	fd := func(id int64) []byte { return fakeFrame(frameFD, 0, 0, id) }
	pong := fakeFrame(framePong, 0, 0, make([]byte, 8))
	var sixty []int
	for range 60 {
		sixty = append(sixty, int(os.Stdin.Fd()))
	}
	switch what {
	case "PONG with descriptors":
		for range 20 {
			send(pong, sixty...)
		}
	case "PONG with a descriptor":
		send(pong, 0)
	case "FD with two descriptors":
		send(fd(stream), 0, 0)
	case "FD with descriptors in pieces":
		one := fd(stream)
		send(one[:3], 0)
		send(one[3:], 0)
	case "FD for a stream that is not open":
		send(fd(stream+1), 0)
	case "FD twice":
		send(fd(stream), 0)
		send(fd(stream), 0)
	case "FD for more streams than calls":
		for i := range int64(100) {
			send(fd(stream+i), 0)
		}
	case "FILE twice":
		p.send(frameStart, 0, stream, []any{200, []any{}})
		for range 2 {
			f, _ := os.CreateTemp("", "fake")
			os.Remove(f.Name())
			send(fd(stream), int(f.Fd()))
			p.send(frameFile, 0, stream, []any{nil, 0, 0})
		}
	}
}

var hostileDescriptors = []string{
	"PONG with descriptors", "PONG with a descriptor", "FD with two descriptors", "FD with descriptors in pieces",
	"FD for a stream that is not open", "FD twice", "FD for more streams than calls", "FILE twice",
}

// hostile does the worst.
func (p *fakeProcess) hostile(r fakeRequest) {
	if attack := hostileLink(r.stream)[r.query]; attack != nil {
		p.link.Write(attack)
	} else if attack := hostileControl(r.stream)[r.query]; attack != nil {
		p.control.Write(attack)
	} else if r.query == "RETIRE without number" {
		p.link.Write(bytes.Repeat(fakeFrame(frameRetire, 0, 0, []byte{}), 100_000))
		p.answer(r, 200, "retired")
		return
	} else if r.query == "stacks" {
		// Its next answer to STACK; see onControl.
		p.mu.Lock()
		p.badStacks = true
		p.mu.Unlock()
		p.answer(r, 200, "ready")
		return
	} else {
		p.hostileDescriptors(r.query, r.stream)
	}
	time.Sleep(time.Hour)
}

// hugeStacks is an answer to STACK that would grow to a gigabyte.
func hugeStacks() []byte {
	stacks := map[string]any{"a": first{string(bytes.Repeat([]byte("x"), megabyte))}}
	var e marshal.Encoder
	e.Dict()
	e.Str("a")
	fakeValue(&e, stacks["a"])
	for i := range 1000 {
		e.Str(fmt.Sprint(i))
		fakeValue(&e, again(0))
	}
	e.EndDict()
	return fakeFrame(frameStacks, 0, 0, e.Buf)
}
