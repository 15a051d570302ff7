package forwarded

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// element is what one proxy says, RFC 7239 section 4, as far as it is of interest.
type element struct{ node, proto, host []byte }

// rfc7239 reads Forwarded. A field that breaks the grammar is refused: where a
// quotation mark is not closed, nobody can say who has written what follows.
func (h *handler) rfc7239(r *asteri.Request) (o origin, refusal *asteri.StatusError) {
	var room [8]element
	elements := room[:0]
	for v := range r.Header.Values(nameForwarded) {
		var ok bool
		if elements, ok = appendElements(elements, v); !ok {
			return o, bad("Forwarded is malformed")
		}
	}
	for i := len(elements) - 1; i >= 0; i-- {
		e := &elements[i]
		if o.client.IsValid() && !h.opts.Trusted.Contains(o.client.Addr()) {
			break
		}
		// What a trusted proxy says of the side that it was reached by: the
		// farthest counts.
		if refusal := o.take(e); refusal != nil {
			return o, refusal
		}
		addr, ok := parseNode(e.node)
		if !ok {
			break // unknown, hidden or not said: what is known ends here
		}
		o.client = addr
	}
	return o, nil
}

// take takes over scheme and host.
func (o *origin) take(e *element) *asteri.StatusError {
	switch {
	case asteri.EqualFold(e.proto, "https"), asteri.EqualFold(e.proto, "wss"):
		o.scheme = "https"
	case len(e.proto) > 0:
		o.scheme = "http"
	}
	if len(e.host) > 0 {
		if !httpfield.ValidAuthority(e.host) {
			return bad("Forwarded names a host that is none")
		}
		o.host = e.host
	}
	return nil
}

// appendElements reads the elements of a field: pairs of a token and a token or
// quoted string, separated by semicolons; elements are separated by commas. White
// space around separators passes.
func appendElements(to []element, p []byte) (elements []element, ok bool) {
	var e element
	var seen seenParameters
	filled := false
	for {
		p = httpfield.TrimSpace(p)
		if len(p) > 0 && p[0] != ',' && p[0] != ';' {
			var name, value []byte
			if name, value, p, ok = cutPair(p); !ok || !seen.add(name) {
				return to, false
			}
			e.set(name, value)
			filled = true
			p = httpfield.TrimSpace(p)
		}
		end := len(p) == 0
		switch {
		case end || p[0] == ',':
			if filled {
				to = append(to, e)
			}
			if end {
				return to, true
			}
			e, seen, filled = element{}, seenParameters{}, false
		case p[0] != ';':
			return to, false
		}
		p = p[1:]
	}
}

func (e *element) set(name, value []byte) {
	switch {
	case asteri.EqualFold(name, "for"):
		e.node = value
	case asteri.EqualFold(name, "proto"):
		e.proto = value
	case asteri.EqualFold(name, "host"):
		e.host = value
	}
}

// seenParameters refuses that a parameter is given twice in an element, which
// section 4 forbids. Those that say nothing here are not remembered.
type seenParameters struct{ node, proto, host, by bool }

func (s *seenParameters) add(name []byte) bool {
	var flag *bool
	switch {
	case asteri.EqualFold(name, "for"):
		flag = &s.node
	case asteri.EqualFold(name, "proto"):
		flag = &s.proto
	case asteri.EqualFold(name, "host"):
		flag = &s.host
	case asteri.EqualFold(name, "by"):
		flag = &s.by
	default:
		return true
	}
	twice := *flag
	*flag = true
	return !twice
}

// cutPair reads a pair.
func cutPair(p []byte) (name, value, rest []byte, ok bool) {
	i := bytes.IndexByte(p, '=')
	if i <= 0 || !httpfield.IsToken(p[:i]) {
		return nil, nil, nil, false
	}
	name, p = p[:i], p[i+1:]
	if len(p) > 0 && p[0] == '"' {
		value, rest, ok = cutQuoted(p)
		return name, value, rest, ok
	}
	end := bytes.IndexAny(p, ",; \t")
	if end < 0 {
		end = len(p)
	}
	// Section 6 wants addresses with a colon quoted; some proxies forget it.
	if end == 0 || bytes.IndexByte(p[:end], '"') >= 0 {
		return nil, nil, nil, false
	}
	return name, p[:end], p[end:], true
}

// cutQuoted reads a quoted string, RFC 9110 section 5.6.4.
func cutQuoted(p []byte) (value, rest []byte, ok bool) {
	escaped := false
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if value = p[1:i]; escaped {
				value = unescape(value)
			}
			return value, p[i+1:], true
		}
	}
	return nil, nil, false
}

func unescape(p []byte) []byte {
	plain := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' {
			i++ // cutQuoted has seen to it that there is one more
		}
		plain = append(plain, p[i])
	}
	return plain
}
