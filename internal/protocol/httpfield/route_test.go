package httpfield

import (
	"bytes"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
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

// FuzzValidPath: a path that is taken for plain is its own normal form.
func FuzzValidPath(f *testing.F) {
	for _, s := range []string{"/a.b/c", "/.", "/a/..?x", "/a\\..", "/%2e", "/?/..", "*"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		question, plain, ok := ValidPath(p)
		if !ok || !plain {
			return
		}
		if question >= 0 {
			p = p[:question]
		}
		if normal, ambiguous := urlpath.Normal(p); ambiguous || !bytes.Equal(normal, p) {
			t.Fatalf("%q is %q, %t", p, normal, ambiguous)
		}
	})
}
