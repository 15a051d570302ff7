package httpfield

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Classes of bytes, as bits of charClass.
const (
	classToken  = 1 << iota // tchar, RFC 9110 section 5.6.2
	classTarget             // may stand in a request target; "?" and "%" apart
	classHost               // may stand in a registered name, RFC 3986 section 3.2.2; "%" apart
	classHex                // HEXDIG
	classUpper              // A to Z
	classPlain              // of classTarget: says nothing about where a path leads
)

// charClass is the table of byte classes.
//
// Targets are taken a little wider than RFC 3986: bytes above 0x7f and the
// characters that browsers and curl leave unencoded pass, as they do in other
// servers. Control characters, space, DEL and "#" never do.
var charClass = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		upper := 'A' <= b && b <= 'Z'
		alnum := '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || upper
		if alnum || isOneOf(b, "!#$%&'*+-.^_`|~") {
			t[c] |= classToken
		}
		if b > ' ' && b != 0x7f && !isOneOf(b, "#?%") {
			t[c] |= classTarget
			if !isOneOf(b, `.\`) {
				t[c] |= classPlain
			}
		}
		if alnum || isOneOf(b, "-._~!$&'()*+,;=") {
			t[c] |= classHost
		}
		if IsDigit(b) || 'a' <= b|0x20 && b|0x20 <= 'f' {
			t[c] |= classHex
		}
		if upper {
			t[c] |= classUpper
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

// IsDigit tells whether c is a DIGIT.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsTokenByte tells whether c may stand in a token.
func IsTokenByte(c byte) bool { return charClass[c]&classToken != 0 }

// IsTargetByte tells whether c may stand in the target of a request; "?" and "%",
// which mean something there, apart.
func IsTargetByte(c byte) bool { return charClass[c]&classTarget != 0 }

// IsPlainByte tells whether c may stand in the target of a request and is nothing that a
// path in normal form may have to be rid of. Of what else may stand there, dots are plain
// but behind a slash.
func IsPlainByte(c byte) bool { return charClass[c]&classPlain != 0 }

// IsToken tells whether p is a token, RFC 9110 section 5.6.2: the grammar of
// field names and methods.
func IsToken[T string | []byte](p T) bool {
	for i := range len(p) {
		if !IsTokenByte(p[i]) {
			return false
		}
	}
	return len(p) > 0
}

// IsLowerToken tells whether p is a token without upper-case letters, as names
// are in HTTP/2 and HTTP/3 (RFC 9113 section 8.2.1).
func IsLowerToken[T string | []byte](p T) bool {
	for i := range len(p) {
		if charClass[p[i]]&(classToken|classUpper) != classToken {
			return false
		}
	}
	return len(p) > 0
}

// AppendLower appends name in lower case.
func AppendLower(dst, name []byte) []byte {
	for _, c := range name {
		if charClass[c]&classUpper != 0 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// ValueEnd returns the index of the first byte of p, from i on, that cannot be
// part of a field value (a control character other than HTAB, or DEL), or
// len(p). It looks at eight bytes at a time.
func ValueEnd(p []byte, i int) int {
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
	for i < len(p) && IsValueByte(p[i]) {
		i++
	}
	return i
}

// IsValueByte tells whether c may stand in a field value.
func IsValueByte(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// IsValue tells whether p can be a field value.
func IsValue(p []byte) bool {
	rest, flagged := p, uint64(0)
	for ; len(rest) >= 8; rest = rest[8:] { // as in ValueEnd, whose flags nothing sets where there is nothing
		x := binary.LittleEndian.Uint64(rest)
		y := x ^ ones*0x7f
		flagged |= (x-ones*0x20)&^x | (y-ones)&^y
	}
	if flagged&highs != 0 { // perhaps by a tab
		return ValueEnd(p, 0) == len(p)
	}
	return ValueEnd(rest, 0) == len(rest)
}

// TrimSpace returns p without the spaces and tabs at its ends.
func TrimSpace(p []byte) []byte {
	for len(p) > 0 && IsSpace(p[0]) {
		p = p[1:]
	}
	for len(p) > 0 && IsSpace(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}

// IsSpace tells whether c is optional white space, OWS.
func IsSpace(c byte) bool { return c == ' ' || c == '\t' }

// FoldIs tells whether p is lower, which is in lower case, without regard to
// ASCII case.
func FoldIs[T string | []byte](p T, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i := range len(p) {
		if c := p[i]; c != lower[i] && (c|0x20 != lower[i] || charClass[c]&classUpper == 0) {
			return false
		}
	}
	return true
}

// ParseLength reads 1*DIGIT, the value of Content-Length. It returns -1 for a
// number that does not fit.
func ParseLength[T string | []byte](v T) (n int64, ok bool) {
	for i := range len(v) {
		if !IsDigit(v[i]) {
			return 0, false
		}
		d := int64(v[i] - '0')
		if n < 0 || n > (math.MaxInt64-d)/10 {
			n = -1 // go on looking for what is not a digit
			continue
		}
		n = n*10 + d
	}
	return n, len(v) > 0
}
