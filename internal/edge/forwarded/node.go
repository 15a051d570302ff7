package forwarded

import (
	"bytes"
	"net/netip"
	"strconv"
)

// maxNode bounds what is looked at as an address: the longest IPv6 address that
// ends in IPv4, its brackets, and a port.
const maxNode = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")

// parseNode reads an address with or without a port: IPv4, IPv6, IPv4:port,
// [IPv6] and [IPv6]:port. Without a port, or with one that is hidden (RFC 7239
// section 6), the port is 0.
func parseNode(p []byte) (netip.AddrPort, bool) {
	if len(p) == 0 || len(p) > maxNode {
		return netip.AddrPort{}, false
	}
	host, port := p, []byte(nil)
	bracketed := p[0] == '['
	switch {
	case bracketed:
		end := bytes.IndexByte(p, ']')
		if end < 0 || end+1 < len(p) && p[end+1] != ':' {
			return netip.AddrPort{}, false
		}
		host = p[1:end]
		if end+1 < len(p) {
			port = p[end+2:]
		}
	case bytes.Count(p, []byte(":")) == 1:
		i := bytes.IndexByte(p, ':')
		host, port = p[:i], p[i+1:]
	}
	a, err := netip.ParseAddr(string(host))
	if err != nil || a.Zone() != "" || bracketed && !a.Is6() || port != nil && a.Is6() && !bracketed {
		return netip.AddrPort{}, false
	}
	if port == nil || isHidden(port) {
		return netip.AddrPortFrom(a.Unmap(), 0), true
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), err == nil
}

func isHidden(port []byte) bool { return len(port) > 1 && port[0] == '_' }
