package urlpath

const digits = "0123456789ABCDEF"

// AppendEscaped appends a decoded path, percent-encoded where a path needs it (RFC
// 3986 section 3.3).
func AppendEscaped[T string | []byte](dst []byte, path T) []byte {
	for i := range len(path) {
		dst = appendByte(dst, path[i], plain[path[i]])
	}
	return dst
}

// AppendValid appends a raw path, with escapes in place of bytes that requests have
// and RFC 3986 does not allow there.
func AppendValid(dst, raw []byte) []byte {
	for _, c := range raw {
		dst = appendByte(dst, c, plain[c] || c == '%')
	}
	return dst
}

func appendByte(dst []byte, c byte, asItIs bool) []byte {
	if asItIs {
		return append(dst, c)
	}
	return append(dst, '%', digits[c>>4], digits[c&15])
}

const unreservedBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// plain holds the characters that may stand in a path, unreserved those that mean the
// same encoded and plain (RFC 3986 section 2.3).
var plain, unreserved = table(unreservedBytes + "!$&'()*+,;=:@/"), table(unreservedBytes)

func table(of string) (t [256]bool) {
	for _, c := range []byte(of) {
		t[c] = true
	}
	return t
}
