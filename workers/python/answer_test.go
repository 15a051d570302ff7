package python

import (
	"strings"
	"testing"
)

func TestStatusOfAHead(t *testing.T) {
	l, _ := testLink(t, 1)
	for _, c := range []struct {
		told   any
		status int
		reason string
		breach bool
	}{
		{200, 200, "", false}, {"200 OK", 200, "", false}, {"404 Not Found", 404, "", false}, {"404 NOT FOUND", 404, "NOT FOUND", false},
		{"299 caf\u00e9", 299, "caf\xe9", false}, {"999 Mine", 999, "Mine", false}, {"200 ", 200, "", false},
		{"200 " + strings.Repeat("x", maxStatus-4), 200, strings.Repeat("x", maxStatus-4), false},
		{"200 " + strings.Repeat("x", maxStatus-3), 0, "", true}, {"200 \u20ac", 0, "", true}, {"200", 0, "", true}, {"200OK", 0, "", true},
		{"+20 OK", 0, "", true}, {"", 0, "", true}, {[]byte("200 OK"), 0, "", true}, {nil, 0, "", true},
	} {
		h, err := l.head(fakeFrame(frameStart, 0, 1, []any{c.told, []any{"A", "b"}})[headerLen:])
		if (err != nil) != c.breach {
			t.Errorf("%.20q: %v", c.told, err)
		}
		if err != nil {
			continue
		}
		copied := h.clone()
		for _, got := range []*head{h, &copied} {
			if got.status != c.status || string(got.header.Reason) != c.reason || got.header.Len() != 1 || got.invalid != nil {
				t.Errorf("%.20q: %d %q, %v", c.told, got.status, got.header.Reason, got.invalid)
			}
		}
	}
}
