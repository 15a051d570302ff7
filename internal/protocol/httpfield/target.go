package httpfield

// ValidPath tells whether p can be a path, and the query behind it, of a request
// target: without control characters, spaces and fragments, and with whole
// percent-encodings in its path. question is the index of the first "?", or -1. plain
// tells that the path is in normal form and not ambiguous: see urlpath.Normal.
func ValidPath(p []byte) (question int, plain, ok bool) {
	question = -1
	escapes := false
	plain = true
	for i, c := range p {
		switch {
		case IsPlainByte(c):
		case c == '.':
			plain = plain && i > 0 && p[i-1] != '/'
		case IsTargetByte(c):
			plain = false
		case c == '?':
			if question < 0 {
				question = i
			}
		case c == '%':
			escapes = true
		default:
			return question, false, false
		}
	}
	path := p
	if question >= 0 {
		path = p[:question]
	}
	return question, plain && !escapes, !escapes || ValidEscapes(path)
}

// ValidEscapes tells whether each "%" is followed by two hexadecimal digits.
func ValidEscapes(p []byte) bool {
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			continue
		}
		if i+2 >= len(p) || charClass[p[i+1]]&charClass[p[i+2]]&classHex == 0 {
			return false
		}
		i += 2
	}
	return true
}

// ValidAuthority tells whether p is a host and an optional port (RFC 3986
// section 3.2), without user information, which HTTP does not allow (RFC 9110
// section 4.2.4). An empty one is valid, a port alone is not.
func ValidAuthority(p []byte) bool {
	host, port := splitPort(p)
	switch {
	case len(host) == 0:
		return len(p) == 0
	case host[0] == '[' && !validIPLiteral(host), host[0] != '[' && !validRegName(host):
		return false
	}
	n := 0
	for _, c := range port {
		if !IsDigit(c) {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return true
}

// splitPort cuts p before the port. Colons inside brackets are not a port's.
func splitPort(p []byte) (host, port []byte) {
	for i := len(p) - 1; i >= 0 && p[i] != ']'; i-- {
		if p[i] == ':' {
			return p[:i], p[i+1:]
		}
	}
	return p, nil
}

// HasPort tells whether an authority that is valid names a port.
func HasPort(p []byte) bool {
	_, port := splitPort(p)
	return len(port) > 0
}

func validRegName(p []byte) bool {
	escapes := false
	for _, c := range p {
		if charClass[c]&classHost == 0 {
			if c != '%' {
				return false
			}
			escapes = true
		}
	}
	return !escapes || ValidEscapes(p)
}

// validIPLiteral accepts "[...]" with the characters of IPv6 and IPvFuture
// addresses. Zone identifiers are local to a host and refused.
func validIPLiteral(p []byte) bool {
	if len(p) < 4 || p[len(p)-1] != ']' {
		return false
	}
	for _, c := range p[1 : len(p)-1] {
		if c != ':' && charClass[c]&classHost == 0 {
			return false
		}
	}
	return true
}

// MethodName returns a method as a string, without an allocation for those that
// are registered and common.
func MethodName(p []byte) string {
	switch string(p) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "CONNECT":
		return "CONNECT"
	case "OPTIONS":
		return "OPTIONS"
	case "TRACE":
		return "TRACE"
	case "PATCH":
		return "PATCH"
	case "PROPFIND":
		return "PROPFIND"
	case "PROPPATCH":
		return "PROPPATCH"
	case "MKCOL":
		return "MKCOL"
	case "COPY":
		return "COPY"
	case "MOVE":
		return "MOVE"
	case "LOCK":
		return "LOCK"
	case "UNLOCK":
		return "UNLOCK"
	case "REPORT":
		return "REPORT"
	case "SEARCH":
		return "SEARCH"
	case "PURGE":
		return "PURGE"
	}
	return string(p)
}
