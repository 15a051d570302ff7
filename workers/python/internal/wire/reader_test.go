package wire_test

import (
	"testing"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// FuzzReader reads the same payload as all that it may be. What is read holds to its bounds.
func FuzzReader(f *testing.F) {
	for _, attack := range wiretest.HostileLink(1) {
		if len(attack) < 1<<16 {
			f.Add(attack[wire.HeaderLen:])
		}
	}
	answer := []any{1, "404 Not h\u00e9re", []any{"A", "b", []byte("content-length"), "4"}, []byte("body")}
	for _, payload := range []any{
		wiretest.List{answer, append(answer[:4:4], true)}, []any{200, []any{"X", "\u00e9"}}, []any{"T", "1"}, []any{nil, 0, -1}, []any{"what", "where"},
		wiretest.List{[]any{20, "l", "m", 0}, []any{20, "l", "m", 1, "e", "t"}}, []any{nil, []any{"X", "y"}},
		wiretest.List{1, "text", 1, []byte("binary"), 1, []any{"piece"}, 1, []any{1000, "bye"}},
	} {
		f.Add(wiretest.Frame(0, 0, 0, payload)[wire.HeaderLen:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		in := wire.Reader{ResponseHead: 1 << 10}
		bounded := func(h *wire.Head) {
			size := 0
			for _, field := range h.Header.Fields() {
				size += len(field.Name) + len(field.Value)
			}
			if size > in.ResponseHead {
				t.Errorf("a head of %d bytes", size)
			}
		}
		if n, err := in.Answers(payload); err == nil {
			for range n {
				var a wire.Answer
				_, lingers, err := in.NextAnswer()
				if err == nil {
					err = in.Answer(&a, lingers)
				}
				if err != nil {
					break
				}
				bounded(&a.Head)
				copied := a.Clone()
				bounded(&copied.Head)
			}
		}
		if h, err := in.Head(payload); err == nil {
			bounded(h)
		}
		if h, err := in.Trailers(payload); err == nil {
			bounded(h)
		}
		if _, h, err := in.Accept(payload); err == nil {
			bounded(h)
		}
		if off, n, err := in.File(payload); err == nil && (off < 0 || n < -1) {
			t.Errorf("a file of %d bytes from %d", n, off)
		}
		_, _ = in.Failure(payload)
		_ = in.Records(payload, func(*wire.Record) {})
		if n, err := in.Items(payload); err == nil {
			for range n {
				var it wire.Item
				_, err := in.ItemStream()
				if err == nil {
					err = in.Item(&it)
				}
				if err != nil {
					break
				}
				if len(it.Data) > wire.MaxItem {
					t.Errorf("an item of %d bytes", len(it.Data))
				}
			}
		}
	})
}
