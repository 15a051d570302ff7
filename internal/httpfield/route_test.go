package httpfield

import (
	"testing"

	"github.com/asteri/asteri-loop"
)

// TestRoute: requests of HTTP/2 and HTTP/3, extended CONNECTs among them, have the path by
// which they are routed; one whose memory is used again has that of no other.
func TestRoute(t *testing.T) {
	var h RequestHead
	var r asteri.Request
	limits := asteri.NewSettings(nil).Limits
	for _, c := range []struct {
		path, route string
		ambiguous   bool
	}{
		{"/a/%2e%2e/b?/../x", "/b", false},
		{"/a", "/a", false},
		{"/a/..%2fb", "/a/..%2Fb", true},
		{"*", "*", false},
	} {
		for _, fields := range [][][2]string{{{":method", "OPTIONS"}}, {{":method", "CONNECT"}, {":protocol", "websocket"}}} {
			if c.path == "*" && len(fields) > 1 {
				continue // which is for OPTIONS alone
			}
			h.Begin(&r, h.Arena(), &limits)
			for _, f := range append(fields, [2]string{":scheme", "https"}, [2]string{":authority", "x"}, [2]string{":path", c.path}) {
				h.Add(f[0], f[1])
			}
			if refusal, err := h.End(true, true); refusal != nil || err != nil {
				t.Fatal(refusal, err)
			}
			if string(r.Route) != c.route || r.Ambiguous != c.ambiguous {
				t.Errorf("%s: %q, %t", c.path, r.Route, r.Ambiguous)
			}
		}
	}
	h.Begin(&r, nil, &limits)
	if r.Route != nil || r.Ambiguous {
		t.Errorf("left over: %q, %t", r.Route, r.Ambiguous)
	}
}
