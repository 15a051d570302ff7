// Package addrset holds sets of network addresses as settings name them: who is
// trusted, who is exempt.
package addrset

import (
	"fmt"
	"net/netip"
	"slices"
)

// Everyone is how a setting spells the set of all addresses, and Unix how it names the
// peers at a Unix socket, who have none.
const (
	Everyone = "*"
	Unix     = "unix"
)

// Set is a set of addresses. The zero value and nil are the empty set. It does
// not change once it is made.
type Set struct {
	everyone bool
	unix     bool
	networks []netip.Prefix
}

// Parse makes a set of addresses, networks in CIDR notation and Everyone.
func Parse(names []string) (*Set, error) {
	s := new(Set)
	for _, name := range names {
		switch name {
		case Everyone:
			s.everyone = true
			continue
		case Unix:
			s.unix = true
			continue
		}
		n, err := ParseNetwork(name)
		if err != nil {
			return nil, err
		}
		s.networks = append(s.networks, n)
	}
	return s, nil
}

// ParseNetwork reads an address, or a network in CIDR notation. Addresses of
// IPv4 in the form of IPv6 are those of IPv4.
func ParseNetwork(name string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(name); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := netip.ParsePrefix(name)
	if err != nil {
		return n, fmt.Errorf("%q is not an address or a network like 10.0.0.0/8", name)
	}
	if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
		n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
	}
	return n.Masked(), nil
}

// Everyone tells whether the set was given as all addresses.
func (s *Set) Everyone() bool { return s != nil && s.everyone }

// Peer tells whether the peer of a connection is in the set: whoever has no address is
// at a Unix socket.
func (s *Set) Peer(a netip.Addr) bool {
	if s == nil || a.IsValid() {
		return s.Contains(a)
	}
	return s.unix || s.everyone
}

// Contains tells whether a is in the set. An invalid address is in none.
func (s *Set) Contains(a netip.Addr) bool {
	if s == nil || !a.IsValid() {
		return false
	}
	if s.everyone {
		return true
	}
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(s.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// siteBits is how much of an IPv6 address tells one customer from another: the
// rest is for the customer to choose (RFC 6177).
const siteBits = 64

// Client returns what stands for one client where clients are counted: an IPv4
// address, or the /64 network of an IPv6 one.
func Client(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	n, _ := a.Prefix(siteBits) // fails only for an invalid address, which stands for itself
	return n.Addr()
}
