package ws

import "encoding/binary"

// Bits of the first two bytes of a frame, section 5.2.
const (
	bitFin    = 0x80
	bitRSV1   = 0x40 // of the first frame of a message: it is compressed
	bitRSV23  = 0x30
	bitMasked = 0x80
)

// MaxHeader is the greatest length of a frame's header: two bytes, a length of
// eight and a masking key.
const MaxHeader = 2 + 8 + 4

// header is the head of a frame.
type header struct {
	op         Opcode
	fin        bool
	compressed bool // RSV1
	masked     bool
	key        uint32 // as it lies in memory, first byte lowest
	length     int64
}

// headerSize returns the length of the header that begins with the bytes b0, b1.
func headerSize(b1 byte) int {
	n := 2
	switch b1 &^ bitMasked {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b1&bitMasked != 0 {
		n += 4
	}
	return n
}

// parseHeader reads a header that is complete.
func parseHeader(p []byte) (h header, err error) {
	h = header{
		op:         Opcode(p[0] & 0x0F),
		fin:        p[0]&bitFin != 0,
		compressed: p[0]&bitRSV1 != 0,
		masked:     p[1]&bitMasked != 0,
		length:     int64(p[1] &^ bitMasked),
	}
	if p[0]&bitRSV23 != 0 {
		return h, errReserved
	}
	at := 2
	switch h.length {
	case 126:
		h.length = int64(binary.BigEndian.Uint16(p[2:]))
		at = 4
		if h.length < 126 {
			return h, errLength
		}
	case 127:
		h.length = int64(binary.BigEndian.Uint64(p[2:]))
		at = 10
		if h.length < 1<<16 { // negative: the highest bit must be 0
			return h, errLength
		}
	}
	if h.masked {
		h.key = binary.LittleEndian.Uint32(p[at:])
	}
	return h, nil
}

// AppendHeader appends the header of a frame of n bytes that is not masked, as a
// server sends it. compressed is for the first frame of a message.
func AppendHeader(dst []byte, op Opcode, fin, compressed bool, n int) []byte {
	b0 := byte(op)
	if fin {
		b0 |= bitFin
	}
	if compressed {
		b0 |= bitRSV1
	}
	switch {
	case n < 126:
		return append(dst, b0, byte(n))
	case n < 1<<16:
		return append(dst, b0, 126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, b0, 127), uint64(n))
}

// AppendMasked appends a frame masked with key, as a client sends it.
func AppendMasked(dst []byte, op Opcode, fin, compressed bool, key [4]byte, payload []byte) []byte {
	at := len(dst)
	dst = AppendHeader(dst, op, fin, compressed, len(payload))
	dst[at+1] |= bitMasked
	dst = append(dst, key[:]...)
	at = len(dst)
	dst = append(dst, payload...)
	mask(dst[at:], binary.LittleEndian.Uint32(key[:]))
	return dst
}

// mask masks or unmasks p in place with key, whose lowest byte is for p[0], and
// returns the key for the byte that follows p (section 5.3).
func mask(p []byte, key uint32) (next uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 32 {
		q := p[:32]
		binary.LittleEndian.PutUint64(q, binary.LittleEndian.Uint64(q)^wide)
		binary.LittleEndian.PutUint64(q[8:], binary.LittleEndian.Uint64(q[8:])^wide)
		binary.LittleEndian.PutUint64(q[16:], binary.LittleEndian.Uint64(q[16:])^wide)
		binary.LittleEndian.PutUint64(q[24:], binary.LittleEndian.Uint64(q[24:])^wide)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(key)
		key = key>>8 | key<<24
	}
	return key
}

// ParseClose reads the payload of a Close frame. Without a code it is NoStatus.
func ParseClose(p []byte) (code Code, reason []byte, err error) {
	switch len(p) {
	case 0:
		return NoStatus, nil, nil
	case 1:
		return 0, nil, errClosePayload
	}
	code, reason = Code(binary.BigEndian.Uint16(p)), p[2:]
	switch {
	case !code.Valid():
		return code, nil, errCloseCode
	case !validText(reason):
		return code, nil, errCloseReason
	}
	return code, reason, nil
}

// AppendClose appends a Close frame of a server. A code that may not be sent
// stands for a frame without one; a reason that is too long is cut.
func AppendClose(dst []byte, code Code, reason string) []byte {
	if !code.Valid() {
		return AppendHeader(dst, Close, true, false, 0)
	}
	reason = cutText(reason, MaxReason)
	dst = AppendHeader(dst, Close, true, false, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}
