package addrset

import (
	"net/netip"
	"testing"
)

func TestContains(t *testing.T) {
	s, err := Parse([]string{"127.0.0.1", "::1", "10.0.0.0/8", "2001:db8::/32", "::ffff:192.0.2.0/120", "::ffff:198.51.100.7"})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.2": false, "::1": true, "::2": false,
		"10.255.0.1": true, "11.0.0.0": false, "::ffff:10.0.0.1": true,
		"2001:db8:1::1": true, "2001:db9::1": false, "2001:db8::1%eth0": true,
		"192.0.2.200": true, "192.0.3.1": false, "198.51.100.7": true,
	} {
		if got := s.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	if s.Contains(netip.Addr{}) || s.Everyone() {
		t.Error("no address is in the set, or the set holds all")
	}
}

func TestEveryone(t *testing.T) {
	s, err := Parse([]string{"10.0.0.1", Everyone})
	if err != nil || !s.Everyone() || !s.Contains(netip.MustParseAddr("192.0.2.1")) || s.Contains(netip.Addr{}) {
		t.Errorf("%v, %v", s, err)
	}
	var none *Set
	if none.Everyone() || none.Contains(netip.MustParseAddr("::1")) {
		t.Error("nil is not the empty set")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, name := range []string{"", "localhost", "10.0.0.0/33", "fe80::1%eth0", "1.2.3", "**"} {
		if _, err := Parse([]string{name}); err == nil {
			t.Errorf("%q passes", name)
		}
	}
}

func TestClient(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := Client(netip.MustParseAddr(addr)); got != netip.MustParseAddr(want) {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
	if Client(netip.Addr{}).IsValid() {
		t.Error("no address has become one")
	}
}
