package local

import (
	"net/netip"
	"testing"

	"github.com/asteri/asteri-loop"
)

func TestBegan(t *testing.T) {
	for name, c := range map[string]struct {
		peer      string
		authority string
		change    func(r *asteri.Request)
		want      bool
	}{
		"localhost":            {"127.0.0.1:9", "localhost:8000", nil, true},
		"an address":           {"[::1]:9", "[::1]:8000", nil, true},
		"IPv4 in IPv6":         {"[::ffff:127.0.0.1]:9", "127.0.0.1", nil, true},
		"a name that is known": {"127.0.0.1:9", "Shop.test:8000", nil, true},
		"another name":         {"127.0.0.1:9", "evil.example", nil, false},
		"another machine":      {"10.0.0.1:9", "localhost", nil, false},
		"HTTP/1.0":             {"127.0.0.1:9", "localhost", func(r *asteri.Request) { r.Proto = asteri.HTTP10 }, false},
		"a field of a proxy":   {"127.0.0.1:9", "localhost", func(r *asteri.Request) { r.Header.Add("x-forwarded-proto", "https") }, false},
		"Via":                  {"127.0.0.1:9", "localhost", func(r *asteri.Request) { r.Header.Add("via", "1.1 x") }, false},
		"a proxy that spoke":   {"127.0.0.1:9", "localhost", func(r *asteri.Request) { r.Peer.Proxy = new(asteri.Proxy) }, false},
		"no address":           {"", "localhost", func(r *asteri.Request) { r.Peer.Network = "unix" }, false},
	} {
		r := asteri.Request{Proto: asteri.HTTP11, Authority: []byte(c.authority), Peer: new(asteri.Peer)}
		if c.peer != "" {
			r.Peer.Remote = netip.MustParseAddrPort(c.peer)
		}
		if c.change != nil {
			c.change(&r)
		}
		if got := Began(&r, []string{"shop.test"}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
