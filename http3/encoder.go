package http3

import "github.com/asteri/asteri-loop"

// Representations of QPACK, RFC 9204 section 4.5. There is no dynamic table, and
// strings are not compressed: that would cost more than the bytes that it saves.
const (
	opIndexed  = 0b1100_0000 // a field of the static table
	opNameRef  = 0b0101_0000 // a name of it, and a value
	opLiteral  = 0b0010_0000 // a name and a value
	neverIndex = 0b0010_0000 // in opNameRef
)

// appendHeaders appends a HEADERS frame.
func appendHeaders(b []byte, fields []asteri.Field) []byte {
	from := len(b)
	b = append(b, byte(frameHeaders), 0x40, 0, // the length, to be filled in
		0, 0) // Required Insert Count and Base
	for i := range fields {
		b = appendField(b, &fields[i])
	}
	length := len(b) - from - 3
	if length < 1<<14 {
		b[from+1], b[from+2] = 0x40|byte(length>>8), byte(length)
		return b
	}
	b = append(b, 0, 0) // room for a length of four bytes
	copy(b[from+5:], b[from+3:len(b)-2])
	b[from+1], b[from+2], b[from+3], b[from+4] = 0x80|byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
	return b
}

func appendField(b []byte, f *asteri.Field) []byte {
	if len(f.Name) == len(":status") && f.Name[0] == ':' {
		if i, ok := staticStatus(f.Value); ok {
			return appendInt(b, opIndexed, 6, i)
		}
	}
	if i, ok := staticName(f.Name); ok {
		op := byte(opNameRef)
		if i == staticSetCookie {
			op |= neverIndex // RFC 9204 section 7.1.3
		}
		b = appendInt(b, op, 4, i)
	} else {
		b = appendInt(b, opLiteral, 3, len(f.Name))
		b = append(b, f.Name...)
	}
	b = appendInt(b, 0, 7, len(f.Value))
	return append(b, f.Value...)
}

// appendInt appends an integer with a prefix of so many bits, RFC 7541 section 5.1.
func appendInt(b []byte, op byte, bits uint, n int) []byte {
	limit := 1<<bits - 1
	if n < limit {
		return append(b, op|byte(n))
	}
	b = append(b, op|byte(limit))
	for n -= limit; n >= 0x80; n >>= 7 {
		b = append(b, 0x80|byte(n))
	}
	return append(b, byte(n))
}

// staticStatus returns the place of a :status in the static table (RFC 9204 appendix
// A).
func staticStatus(code []byte) (int, bool) {
	switch string(code) {
	case "103":
		return 24, true
	case "200":
		return 25, true
	case "304":
		return 26, true
	case "404":
		return 27, true
	case "503":
		return 28, true
	case "100":
		return 63, true
	case "204":
		return 64, true
	case "206":
		return 65, true
	case "302":
		return 66, true
	case "400":
		return 67, true
	case "403":
		return 68, true
	case "421":
		return 69, true
	case "425":
		return 70, true
	case "500":
		return 71, true
	}
	return 0, false
}

const staticSetCookie = 14

// staticName returns a place in the static table with a name that a response may
// have.
func staticName(name []byte) (int, bool) {
	switch string(name) {
	case ":status":
		return 24, true
	case "age":
		return 2, true
	case "content-disposition":
		return 3, true
	case "content-length":
		return 4, true
	case "date":
		return 6, true
	case "etag":
		return 7, true
	case "last-modified":
		return 10, true
	case "link":
		return 11, true
	case "location":
		return 12, true
	case "set-cookie":
		return staticSetCookie, true
	case "accept-ranges":
		return 32, true
	case "access-control-allow-headers":
		return 33, true
	case "access-control-allow-origin":
		return 35, true
	case "cache-control":
		return 36, true
	case "content-encoding":
		return 42, true
	case "content-type":
		return 44, true
	case "strict-transport-security":
		return 56, true
	case "vary":
		return 59, true
	case "x-content-type-options":
		return 61, true
	case "x-xss-protection":
		return 62, true
	case "access-control-allow-credentials":
		return 73, true
	case "access-control-allow-methods":
		return 76, true
	case "access-control-expose-headers":
		return 79, true
	case "alt-svc":
		return 83, true
	case "content-security-policy":
		return 85, true
	case "server":
		return 92, true
	case "timing-allow-origin":
		return 93, true
	case "x-frame-options":
		return 97, true
	}
	return 0, false
}
