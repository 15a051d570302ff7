// Package urlpath brings the paths of requests, which are percent-encoded, into the
// form by which the server routes, and compares them with the paths of settings.
package urlpath

import "bytes"

// Cut takes prefix, a decoded path without a slash at its end, off a raw path if
// it ends with a segment there. What remains is empty or begins with a slash.
func Cut(raw []byte, prefix string) (rest []byte, ok bool) {
	if len(raw) >= len(prefix) && string(raw[:len(prefix)]) == prefix {
		rest = raw[len(prefix):]
		return rest, len(rest) == 0 || rest[0] == '/'
	}
	if bytes.IndexByte(raw, '%') < 0 {
		return nil, false
	}
	// Escapes of characters that need none mean the same (RFC 3986 section 6.2.2.2).
	rest = raw
	for i := range len(prefix) {
		c, n := Next(rest)
		if n == 0 || c != prefix[i] || n == 3 && c == '/' {
			return nil, false
		}
		rest = rest[n:]
	}
	return rest, len(rest) == 0 || rest[0] == '/'
}

// Next decodes the first byte of a path and returns how long it is there: 1, 3,
// or 0 if there is none or a broken escape.
func Next(p []byte) (c byte, n int) {
	switch {
	case len(p) == 0:
		return 0, 0
	case p[0] != '%':
		return p[0], 1
	case len(p) < 3:
		return 0, 0
	}
	high, low := unhex[p[1]], unhex[p[2]]
	if high|low > 15 {
		return 0, 0
	}
	return high<<4 | low, 3
}

// unhex holds the values of hexadecimal digits, and 255 for what is none.
var unhex = func() (table [256]byte) {
	for i := range table {
		table[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		table[c] = byte(i)
		if i > 9 {
			table[c-0x20] = byte(i)
		}
	}
	return table
}()
