package http1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of bytes, as bits of charClass.
const (
	classToken  = 1 << iota // tchar, RFC 9110 section 5.6.2
	classTarget             // may stand in a request target; "?" and "%" apart
	classHost               // may stand in a registered name, RFC 3986 section 3.2.2; "%" apart
	classHex                // HEXDIG
)

// charClass is the table of byte classes.
//
// Targets are taken a little wider than RFC 3986: bytes above 0x7f and the
// characters that browsers and curl leave unencoded pass, as they do in other
// servers. Control characters, space, DEL and "#" never do.
var charClass = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		alnum := '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		if alnum || isOneOf(b, "!#$%&'*+-.^_`|~") {
			t[c] |= classToken
		}
		if b > ' ' && b != 0x7f && !isOneOf(b, "#?%") {
			t[c] |= classTarget
		}
		if alnum || isOneOf(b, "-._~!$&'()*+,;=") {
			t[c] |= classHost
		}
		if _, ok := unhex(b); ok {
			t[c] |= classHex
		}
	}
	return t
}()

func isOneOf(c byte, set string) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}

func unhex(c byte) (uint64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0'), true
	case 'a' <= c && c <= 'f':
		return uint64(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return uint64(c-'A') + 10, true
	}
	return 0, false
}

// isToken tells whether p is a token, RFC 9110 section 5.6.2.
func isToken(p []byte) bool {
	for _, c := range p {
		if charClass[c]&classToken == 0 {
			return false
		}
	}
	return len(p) > 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// valueEnd returns the index of the first byte of p, from i on, that cannot be
// part of a field value (a control character other than HTAB, or DEL), or
// len(p). It looks at eight bytes at a time.
func valueEnd(p []byte, i int) int {
	for i+8 <= len(p) {
		x := binary.LittleEndian.Uint64(p[i:])
		// A byte below 0x20 borrows into its high bit; a byte equal to 0x7f
		// is zero after the exclusive or, and so borrows too. Both tests are
		// exact for the lowest byte that they flag.
		below := (x - ones*0x20) &^ x & highs
		y := x ^ ones*0x7f
		del := (y - ones) &^ y & highs
		flagged := below | del
		if flagged == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(flagged) >> 3
		if p[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(p) && isValueByte(p[i]) {
		i++
	}
	return i
}

func isValueByte(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// trimSpace returns p without the spaces and tabs at its ends.
func trimSpace(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	for len(p) > 0 && isSpace(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// foldIs tells whether p is lower, which is in lower case, without regard to
// ASCII case.
func foldIs(p []byte, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i, c := range p {
		if c != lower[i] && (c|0x20 != lower[i] || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
