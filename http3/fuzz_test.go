package http3

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// steps reads all that a reader makes of a stream: frames, their payloads, and how it
// ends.
func steps(stream io.Reader) (log []string, end error) {
	var r reader
	r.waits = func() {}
	r.reset(stream)
	for {
		h, err := r.next()
		if err != nil {
			return log, err
		}
		log = append(log, h.kind.String())
		if h.kind == frameHeaders && h.length < 1<<16 {
			p, err := r.payload(int(h.length))
			if err != nil {
				return log, err
			}
			log = append(log, string(p))
			continue
		}
		var content []byte
		var piece [100]byte
		for left := h.length; left > 0; {
			n, err := r.some(piece[:], left)
			content = append(content, piece[:n]...)
			left -= uint64(n)
			if err != nil {
				return append(log, string(content)), err
			}
		}
		log = append(log, string(content))
	}
}

// FuzzReader reads frames whole and byte by byte: the outcome is the same, and every
// error is one of the protocol or the end.
func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 2, 0, 0, 0, 3, 'a', 'b', 'c'})
	f.Add([]byte{0x21, 1, 'x', 0x40, 0, 1, 'y'})
	f.Add([]byte{0x80, 0x0f, 0x07, 0x00, 0})
	f.Add([]byte{0xc0, 0, 0, 0, 0, 0, 0, 0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, end := steps(bytes.NewReader(b))
		cut, cutEnd := steps(iotest.OneByteReader(bytes.NewReader(b)))
		var broken connError
		if end != io.EOF && !errors.As(end, &broken) {
			t.Errorf("ends with %v", end)
		}
		if !errors.Is(cutEnd, end) || len(whole) != len(cut) {
			t.Fatalf("whole: %q, %v; cut: %q, %v", whole, end, cut, cutEnd)
		}
		for i := range whole {
			if whole[i] != cut[i] {
				t.Errorf("step %d: %q, cut: %q", i, whole[i], cut[i])
			}
		}
		_ = checkSettings(b)
		_, _ = parseVarint(b)
	})
}
