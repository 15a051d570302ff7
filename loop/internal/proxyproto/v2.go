package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// The fixed part of a version 2 header, section 2.2: the signature, then version
// and command, family and transport, and the length of what follows.
const (
	commandAt = 12
	familyAt  = 13
	lengthAt  = 14
	fixedV2   = 16
)

const (
	commandLocal = 0x0
	commandProxy = 0x1
)

// Address families, the high half of the byte at familyAt, and how many bytes
// their addresses and ports take.
const (
	familyUnspec = 0x0
	familyINET   = 0x1
	familyINET6  = 0x2
	familyUnix   = 0x3

	sizeINET  = 2*4 + 2*2
	sizeINET6 = 2*16 + 2*2
	sizeUnix  = 2 * 108
)

// maxTransport is the last transport that is defined, in the low half: none,
// stream, datagram. A proxy may hand on a client that came by QUIC.
const maxTransport = 0x2

func parseV2(p []byte) (h Header, size int, err error) {
	if len(p) < fixedV2 {
		return Header{}, 0, nil
	}
	command := p[commandAt] & 0xf
	if p[commandAt]>>4 != 2 || command > commandProxy {
		return Header{}, 0, Unsupported
	}
	size = fixedV2 + int(binary.BigEndian.Uint16(p[lengthAt:]))
	switch {
	case size > MaxSize:
		return Header{}, 0, TooLong
	case len(p) < size:
		return Header{}, 0, nil
	}
	h.Version = V2
	if command == commandLocal {
		h.Local = true // the rest of the header is to be discarded
		return h, size, nil
	}
	if err := h.proxiedV2(p[:size]); err != nil {
		return Header{}, 0, err
	}
	return h, size, nil
}

// proxiedV2 reads the addresses and looks through the vectors behind them.
func (h *Header) proxiedV2(header []byte) error {
	body := header[fixedV2:]
	if header[familyAt]&0xf > maxTransport {
		return Unsupported
	}
	var addresses int
	switch header[familyAt] >> 4 {
	case familyUnspec:
	case familyINET:
		addresses = sizeINET
	case familyINET6:
		addresses = sizeINET6
	case familyUnix:
		addresses = sizeUnix
	default:
		return Unsupported
	}
	if len(body) < addresses {
		return Malformed
	}
	switch addresses {
	case sizeINET:
		h.Source = addrPort(netip.AddrFrom4([4]byte(body[0:4])), body[8:])
		h.Destination = addrPort(netip.AddrFrom4([4]byte(body[4:8])), body[10:])
	case sizeINET6:
		h.Source = addrPort(netip.AddrFrom16([16]byte(body[0:16])), body[32:])
		h.Destination = addrPort(netip.AddrFrom16([16]byte(body[16:32])), body[34:])
	}
	return checkVectors(header, fixedV2+addresses)
}

func addrPort(a netip.Addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// typeCRC32C is the vector that holds the checksum of the whole header, taken
// with the checksum itself as zero (section 2.2.3).
const typeCRC32C = 0x03

// checkVectors goes over the type-length-value vectors from at on. All but the
// checksum say nothing that is asked for here.
func checkVectors(header []byte, at int) error {
	for at < len(header) {
		if len(header)-at < 3 {
			return Malformed
		}
		kind, value := header[at], at+3
		at = value + int(binary.BigEndian.Uint16(header[at+1:]))
		if at > len(header) {
			return Malformed
		}
		if kind != typeCRC32C {
			continue
		}
		if at-value != crc32.Size {
			return Malformed
		}
		if binary.BigEndian.Uint32(header[value:]) != checksum(header, value) {
			return Checksum
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is that of the header without the four bytes at at.
func checksum(header []byte, at int) uint32 {
	var zero [crc32.Size]byte
	sum := crc32.Update(0, castagnoli, header[:at])
	sum = crc32.Update(sum, castagnoli, zero[:])
	return crc32.Update(sum, castagnoli, header[at+crc32.Size:])
}
