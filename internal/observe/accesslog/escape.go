package accesslog

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escape appends a value that came from a peer so that it cannot end its quotes
// or its line, nor steer a terminal. The escapes are JSON's, so that a format
// written as JSON yields JSON whatever the value; printable UTF-8 stays.
func escape[T string | []byte](dst []byte, v T) []byte {
	for i := range len(v) {
		if !isPlain[v[i]] {
			return escapeFrom(dst, v, i)
		}
	}
	return append(dst, v...)
}

// isPlain tells of each byte that it needs no second look, as most values have none that
// does.
var isPlain = func() (is [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// escapeFrom is escape of a value that is plain up to byte i.
func escapeFrom[T string | []byte](dst []byte, v T, i int) []byte {
	plain := 0 // v[plain:i] needs no escape
	for i < len(v) {
		c := v[i]
		if c < utf8.RuneSelf {
			if isPlain[c] {
				i++
				continue
			}
			dst = append(dst, v[plain:i]...)
			if c == '"' || c == '\\' {
				dst = append(dst, '\\', c)
			} else {
				dst = unicodeEscape(dst, rune(c))
			}
			i++
			plain = i
			continue
		}
		r, n := utf8.DecodeRune([]byte(v[i:min(i+utf8.UTFMax, len(v))]))
		if (r != utf8.RuneError || n > 1) && unicode.IsPrint(r) {
			i += n
			continue
		}
		dst = append(dst, v[plain:i]...)
		if n == 1 {
			r = rune(c) // not UTF-8: shown as the Latin-1 character
		}
		dst = unicodeEscape(dst, r)
		i += n
		plain = i
	}
	return append(dst, v[plain:]...)
}

func unicodeEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return unicodeEscape(unicodeEscape(dst, high), low)
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
