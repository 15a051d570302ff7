package static

import "github.com/asteri/asteri-loop/internal/protocol/urlpath"

// wellKnown is the one hidden name that is served: clients expect public files
// there (RFC 8615). It counts at the root of a host only.
const wellKnown = ".well-known"

// resolve appends the name that a raw path stands for below a root: decoded,
// relative, with single slashes, and one at its end if the path has one there.
//
// It refuses what cannot be meant as the name of a file that is to be seen: dot
// segments, which are resolved by now; hidden names, since .git and .env
// lie in many a folder and are for nobody; escapes that are broken or stand for
// slashes; backslashes, which some tools take for slashes; and control characters.
func resolve(dst, raw []byte, allowWellKnown bool) (name []byte, ok bool) {
	start := len(dst)
	segment := start // where the present one begins in dst
	for len(raw) > 0 {
		c, n := urlpath.Next(raw)
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
