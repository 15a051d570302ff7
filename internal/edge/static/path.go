package static

import "bytes"

// wellKnown is the one hidden name that is served: clients expect public files
// there (RFC 8615). It counts at the root of a host only.
const wellKnown = ".well-known"

// cut takes prefix, a decoded path without a slash at its end, off a raw path if
// it ends with a segment there. What remains is empty or begins with a slash.
func cut(raw []byte, prefix string) (rest []byte, ok bool) {
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
		c, n := next(rest)
		if n == 0 || c != prefix[i] || n == 3 && c == '/' {
			return nil, false
		}
		rest = rest[n:]
	}
	return rest, len(rest) == 0 || rest[0] == '/'
}

// next decodes the first byte of a path and returns how long it is there: 1, 3,
// or 0 if there is none or a broken escape.
func next(p []byte) (c byte, n int) {
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

// resolve appends the name that a raw path stands for below a root: decoded,
// relative, with single slashes, and one at its end if the path has one there.
//
// It refuses what cannot be meant as the name of a file that is to be seen: dot
// segments, which clients resolve themselves; hidden names, since .git and .env
// lie in many a folder and are for nobody; escapes that are broken or stand for
// slashes; backslashes, which some tools take for slashes; and control characters.
func resolve(dst, raw []byte, allowWellKnown bool) (name []byte, ok bool) {
	start := len(dst)
	segment := start // where the present one begins in dst
	for len(raw) > 0 {
		c, n := next(raw)
		switch {
		case n == 0, n == 3 && c == '/', c == '\\', c < 0x20, c == 0x7f:
			return dst, false
		case c == '/' && len(dst) == segment: // another slash, or the first
			raw = raw[1:]
			continue
		case c == '/':
			if !visible(dst[segment:], allowWellKnown && segment == start) {
				return dst, false
			}
			segment = len(dst) + 1
		}
		dst = append(dst, c)
		raw = raw[n:]
	}
	return dst, visible(dst[segment:], allowWellKnown && segment == start)
}

// visible tells whether a segment is none that is hidden. first says that it is
// the first of the host's paths.
func visible(segment []byte, first bool) bool {
	return len(segment) == 0 || segment[0] != '.' || first && string(segment) == wellKnown
}

// appendEscaped appends a decoded path, percent-encoded where a path needs it
// (RFC 3986 section 3.3).
func appendEscaped(dst []byte, path string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(path) {
		c := path[i]
		if plainInPath[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

var plainInPath = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/") {
		table[c] = true
	}
	return table
}()
