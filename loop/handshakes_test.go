package loop

import (
	"net/netip"
	"testing"
)

// A client may have a quarter of the handshakes, by whatever address of its network it
// comes; clients at a Unix socket are not told apart, and do not bound each other.
func TestHandshakesOfAClient(t *testing.T) {
	for name, c := range map[string]struct {
		addr func(i byte) netip.Addr
		want int
	}{
		"IPv4":        {func(byte) netip.Addr { return netip.MustParseAddr("192.0.2.1") }, 10},
		"others":      {func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }, 40},
		"mapped":      {func(i byte) netip.Addr { return netip.MustParseAddr([]string{"192.0.2.1", "::ffff:192.0.2.1"}[i%2]) }, 10},
		"IPv6":        {func(i byte) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 15: i}) }, 10},
		"Unix socket": {func(byte) netip.Addr { return netip.Addr{} }, 40},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandshakes(40)
			n := 0
			for i := range byte(100) {
				if h.begin(c.addr(i)) {
					n++
				}
			}
			if n != c.want || h.count() != n {
				t.Errorf("%d handshakes, %d counted", n, h.count())
			}
			for i := range byte(n) {
				h.end(c.addr(i))
			}
			if h.count() != 0 || len(h.byClient) != 0 {
				t.Errorf("%d are left, of %d clients", h.count(), len(h.byClient))
			}
		})
	}
}
