package wire_test

import (
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

func TestStatusOfAHead(t *testing.T) {
	in := wire.Reader{ResponseHead: 1 << 10}
	for _, c := range []struct {
		told   any
		status int
		reason string
		breach bool
	}{
		{200, 200, "", false}, {"200 OK", 200, "", false}, {"404 Not Found", 404, "", false}, {"404 NOT FOUND", 404, "NOT FOUND", false},
		{"299 caf\u00e9", 299, "caf\xe9", false}, {"999 Mine", 999, "Mine", false}, {"200 ", 200, "", false},
		{"200 " + strings.Repeat("x", wire.MaxStatus-4), 200, strings.Repeat("x", wire.MaxStatus-4), false},
		{"200 " + strings.Repeat("x", wire.MaxStatus-3), 0, "", true}, {"200 \u20ac", 0, "", true}, {"200", 0, "", true}, {"200OK", 0, "", true},
		{"+20 OK", 0, "", true}, {"", 0, "", true}, {[]byte("200 OK"), 0, "", true}, {nil, 0, "", true},
	} {
		h, err := in.Head(wiretest.Frame(wire.FrameStart, 0, 1, []any{c.told, []any{"A", "b"}})[wire.HeaderLen:])
		if (err != nil) != c.breach {
			t.Errorf("%.20q: %v", c.told, err)
		}
		if err != nil {
			continue
		}
		copied := h.Clone()
		for _, got := range []*wire.Head{h, &copied} {
			if got.Status != c.status || string(got.Header.Reason) != c.reason || got.Header.Len() != 1 || got.Invalid != nil {
				t.Errorf("%.20q: %d %q, %v", c.told, got.Status, got.Header.Reason, got.Invalid)
			}
		}
	}
}
