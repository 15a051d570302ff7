package http1

import (
	"github.com/asteri/asteri-loop"
)

// targetForm is the form of a request target, RFC 9112 section 3.2.
type targetForm uint8

const (
	originForm targetForm = iota
	absoluteForm
	authorityForm
	asteriskForm
)

// parseRequestLine reads the request line, RFC 9112 section 3, and returns where
// the next line begins, 0 if it is not complete. Exactly one space separates its
// parts.
func (h *head) parseRequestLine(p []byte) (next int, refusal *asteri.StatusError) {
	i := 0
	for i < len(p) && charClass[p[i]]&classToken != 0 {
		i++
	}
	if i == 0 || i >= len(p) || p[i] != ' ' {
		return h.faulty(p, "request line does not begin with a method and a space")
	}
	methodEnd := i
	i++
	from := i
	question := -1
	escapes := false
	for ; i < len(p); i++ {
		c := p[i]
		if charClass[c]&classTarget != 0 {
			continue
		}
		if c == '?' {
			if question < 0 {
				question = i
			}
		} else if c == '%' {
			escapes = true
		} else {
			break
		}
	}
	if i == from || i >= len(p) || p[i] != ' ' {
		return h.faulty(p, "request target is empty or has a character that is not allowed")
	}
	to := i
	i++
	if len(p)-i < len("HTTP/1.1\r\n") || p[i+8] != '\r' || p[i+9] != '\n' {
		return h.faulty(p, "request line does not end with a version of HTTP")
	}
	next = i + 10
	switch {
	case i+8 > h.lineLimit():
		return 0, errRequestLine()
	case next > h.limits.Head:
		return 0, errHeadSize()
	}
	if refusal := h.parseVersion(p[i : i+8]); refusal != nil {
		return 0, refusal
	}
	h.method = methodName(p[:methodEnd])
	h.target = span{uint32(from), uint32(to)}
	h.path = h.target
	if question >= 0 {
		h.path.to = uint32(question)
		h.query = span{uint32(question) + 1, uint32(to)}
	}
	if p[from] != '/' || h.method == "CONNECT" {
		if refusal := h.parseTargetForm(p); refusal != nil {
			return 0, refusal
		}
	}
	if escapes && !validEscapes(h.path.of(p)) {
		return 0, bad("request path has an invalid percent-encoding")
	}
	return next, nil
}

// parseVersion reads a version of eight bytes. A minor version that is higher
// than ours is handled as ours, RFC 9110 section 2.5.
func (h *head) parseVersion(v []byte) *asteri.StatusError {
	switch {
	case string(v) == "HTTP/1.1":
		h.version = asteri.HTTP11
	case string(v) == "HTTP/1.0":
		h.version = asteri.HTTP10
	case string(v[:5]) != "HTTP/" || !isDigit(v[5]) || v[6] != '.' || !isDigit(v[7]):
		return bad("request line does not end with a version of HTTP")
	case v[5] == '1':
		h.version = asteri.HTTP11
	default:
		return &asteri.StatusError{Code: 505, Reason: "version of HTTP is not supported"}
	}
	return nil
}

// parseTargetForm handles targets that do not begin with a slash, and those of
// CONNECT.
func (h *head) parseTargetForm(p []byte) *asteri.StatusError {
	t := h.target.of(p)
	if h.method == "CONNECT" {
		if !validAuthority(t) || !hasPort(t) {
			return bad("target of CONNECT is not a host and a port")
		}
		h.form = authorityForm
		h.authority = h.target
		h.path, h.query = span{}, span{}
		return nil
	}
	if string(t) == "*" {
		if h.method != "OPTIONS" {
			return bad("target * is for OPTIONS only")
		}
		h.form = asteriskForm
		return nil
	}
	var scheme int
	switch {
	case len(t) > 7 && foldIs(t[:7], "http://"):
		scheme = 7
	case len(t) > 8 && foldIs(t[:8], "https://"):
		scheme = 8
	default:
		return bad("request target is neither a path nor an http URI")
	}
	h.form = absoluteForm
	end := scheme
	for end < len(t) && t[end] != '/' && t[end] != '?' {
		end++
	}
	if end == scheme || !validAuthority(t[scheme:end]) {
		return bad("request target has an invalid host")
	}
	h.authority = span{h.target.from + uint32(scheme), h.target.from + uint32(end)}
	h.path.from = h.authority.to
	return nil
}

// validEscapes tells whether each "%" is followed by two hexadecimal digits.
func validEscapes(p []byte) bool {
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

// validAuthority tells whether p is a host and an optional port (RFC 3986
// section 3.2), without user information, which HTTP does not allow (RFC 9110
// section 4.2.4).
func validAuthority(p []byte) bool {
	host, port := splitPort(p)
	switch {
	case len(host) == 0:
		return len(p) == 0 // an empty Host is valid, a port alone is not
	case host[0] == '[' && !validIPLiteral(host), host[0] != '[' && !validRegName(host):
		return false
	}
	n := 0
	for _, c := range port {
		if !isDigit(c) {
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

func hasPort(p []byte) bool {
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
	return !escapes || validEscapes(p)
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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// methodName returns the method as a string, without allocation for those that
// are registered and common.
func methodName(p []byte) string {
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
