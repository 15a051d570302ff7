package urlpath

import "bytes"

// Normal returns the normal form of a raw path (RFC 3986 section 6.2.2), by which the
// server routes: what needs no percent-encoding is decoded, other escapes are in
// capitals, and dot segments are resolved, written with %2E or not. Empty segments
// and encoded slashes stay. A path that is normal already is returned as it is.
//
// ambiguous tells that others may find dot segments where there are none by the
// standard: where they decode slashes before they resolve segments ("..%2f"), take
// backslashes for slashes ("..%5c", as on Windows), cut parameters off a segment
// ("..;x", as in servlet containers) or end at a zero byte ("..%00"). For them such
// a path leads out of what routes it here.
func Normal(raw []byte) (normal []byte, ambiguous bool) {
	if isPlain(raw) || raw[0] != '/' {
		return raw, false
	}
	normal = raw
	if !isNormal(raw) {
		normal = removeDots(appendEscapes(make([]byte, 0, len(raw)), raw))
	}
	return normal, hidesDots(normal)
}

// isPlain tells at a glance, for most paths, that they are in normal form and not
// ambiguous.
func isPlain(p []byte) bool {
	if bytes.IndexByte(p, '%') >= 0 || bytes.IndexByte(p, '\\') >= 0 {
		return false
	}
	for {
		i := bytes.IndexByte(p, '.')
		if i < 0 {
			return true
		}
		if i == 0 || p[i-1] == '/' {
			return false
		}
		p = p[i+1:]
	}
}

// isNormal tells whether appendEscapes and removeDots would change nothing.
func isNormal(p []byte) bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '%':
			c, n := Next(p[i:])
			if n == 0 || unreserved[c] || isLower(p[i+1]) || isLower(p[i+2]) {
				return false
			}
			i += 2
		case '/':
			if seg, _ := cutSegment(p[i:]); isDots(seg) {
				return false
			}
		}
	}
	return true
}

// appendEscapes appends p with its escapes in their normal form. One that is broken,
// which no request has, stays.
func appendEscapes(dst, p []byte) []byte {
	for len(p) > 0 {
		c, n := Next(p)
		if n == 0 {
			c, n = p[0], 1
		}
		dst = appendByte(dst, c, n == 1 || unreserved[c])
		p = p[n:]
	}
	return dst
}

// removeDots resolves dot segments in place (RFC 3986 section 5.2.4). What would lead
// above the root stays at it.
func removeDots(p []byte) []byte {
	out := p[:0]
	for len(p) > 0 {
		seg, rest := cutSegment(p)
		switch {
		case !isDots(seg):
			out = append(out, seg...)
		case len(seg) == len("/.."):
			out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
		}
		if len(rest) == 0 && isDots(seg) {
			out = append(out, '/')
		}
		p = rest
	}
	return out
}

// cutSegment cuts a path behind its first segment, which keeps the slash before it.
func cutSegment(p []byte) (seg, rest []byte) {
	if i := bytes.IndexByte(p[1:], '/'); i >= 0 {
		return p[:i+1], p[i+1:]
	}
	return p, nil
}

func isDots(seg []byte) bool { return string(seg) == "/." || string(seg) == "/.." }

// hidesDots tells whether a path in normal form, once decoded, has what others take
// for a dot segment.
func hidesDots(p []byte) bool {
	dots := 0 // of the present segment, -1 if that has anything else
	for len(p) > 0 {
		c, n := Next(p)
		switch {
		case c == '/' || c == '\\':
			if dots == 1 || dots == 2 {
				return true
			}
			dots = 0
		case (c == ';' || c == 0) && (dots == 1 || dots == 2):
			return true
		case c == '.' && dots >= 0:
			dots++
		default:
			dots = -1
		}
		p = p[max(n, 1):]
	}
	return dots == 1 || dots == 2
}

func isLower(c byte) bool { return 'a' <= c && c <= 'f' }
