package http1

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
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
	for i < len(p) && httpfield.IsTokenByte(p[i]) {
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
	h.plain = true
	for ; i < len(p); i++ {
		c := p[i]
		if httpfield.IsPlainByte(c) {
			continue
		}
		if c == '.' {
			h.plain = h.plain && p[i-1] != '/'
		} else if httpfield.IsTargetByte(c) {
			h.plain = false
		} else if c == '?' {
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
	h.method = httpfield.MethodName(p[:methodEnd])
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
	h.plain = h.plain && !escapes
	if escapes && !httpfield.ValidEscapes(h.path.of(p)) {
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
	case string(v[:5]) != "HTTP/" || !httpfield.IsDigit(v[5]) || v[6] != '.' || !httpfield.IsDigit(v[7]):
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
		if !httpfield.ValidAuthority(t) || !httpfield.HasPort(t) {
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
	case len(t) > 7 && httpfield.FoldIs(t[:7], "http://"):
		scheme = 7
	case len(t) > 8 && httpfield.FoldIs(t[:8], "https://"):
		scheme = 8
	default:
		return bad("request target is neither a path nor an http URI")
	}
	h.form = absoluteForm
	end := scheme
	for end < len(t) && t[end] != '/' && t[end] != '?' {
		end++
	}
	if end == scheme || !httpfield.ValidAuthority(t[scheme:end]) {
		return bad("request target has an invalid host")
	}
	h.authority = span{h.target.from + uint32(scheme), h.target.from + uint32(end)}
	h.path.from = h.authority.to
	return nil
}
