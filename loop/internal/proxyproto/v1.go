package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
)

// maxV1 is the longest header of version 1 with its line end (section 2.1).
const maxV1 = 107

// parseV1 reads one line: PROXY, TCP4 or TCP6, two addresses and two ports, each
// behind a single space, or PROXY UNKNOWN and anything.
func parseV1(p []byte) (h Header, size int, err error) {
	p = p[:min(len(p), maxV1)]
	end := bytes.IndexByte(p, '\n')
	switch {
	case end < 0 && len(p) == maxV1:
		return Header{}, 0, TooLong
	case end < 0:
		return Header{}, 0, nil
	case p[end-1] != '\r': // behind the prefix, so there is a byte
		return Header{}, 0, Malformed
	}
	h.Version = V1
	family, rest, _ := bytes.Cut(p[len(prefixV1):end-1], []byte(" "))
	switch string(family) {
	case "TCP4":
		h.Source, h.Destination, err = addressesV1(rest, netip.Addr.Is4)
	case "TCP6":
		h.Source, h.Destination, err = addressesV1(rest, netip.Addr.Is6)
	case "UNKNOWN":
		// The proxy does not know; what follows is to be ignored.
	default:
		err = Unsupported
	}
	if err != nil {
		return Header{}, 0, err
	}
	return h, end + 1, nil
}

// addressesV1 reads SOURCE DESTINATION SOURCEPORT DESTINATIONPORT.
func addressesV1(p []byte, family func(netip.Addr) bool) (src, dst netip.AddrPort, err error) {
	words := bytes.Split(p, []byte(" "))
	if len(words) != 4 {
		return src, dst, Malformed
	}
	from, ok1 := addressV1(words[0], words[2], family)
	to, ok2 := addressV1(words[1], words[3], family)
	if !ok1 || !ok2 {
		return src, dst, Malformed
	}
	return from, to, nil
}

func addressV1(addr, port []byte, family func(netip.Addr) bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(string(addr))
	if err != nil || !family(a) || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}
