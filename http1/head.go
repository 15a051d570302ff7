package http1

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// span is a part of the bytes of a head, which may move in memory while the
// head is incomplete.
type span struct{ from, to uint32 }

func (s span) of(p []byte) []byte { return p[s.from:s.to:s.to] }

func (s span) empty() bool { return s.from == s.to }

// fieldSpan is one field line.
type fieldSpan struct{ name, value span }

// head parses a request head, or a trailer section, from bytes that arrive in
// pieces. The caller offers all bytes since the head's first one each time; the
// head remembers where it stopped, so that every byte is looked at no more than
// twice however the input is cut. It does no I/O and keeps no reference to the
// input.
//
// A line is judged when its end has arrived, and not before unless it is too
// long: the outcome does not depend on where the input was cut.
type head struct {
	limits *asteri.Limits

	line    int // where the line begins that is being read
	scanned int // there is no line end in [line, scanned)
	begun   bool
	fields  []fieldSpan
	requestLine
	framing

	seen []byte // a copy of the head that all of the above is about; or empty
}

// maxSeen bounds the copy of a head that may come again.
const maxSeen = 2 << 10

// requestLine is what the first line of a request says.
type requestLine struct {
	method    string
	version   asteri.Proto
	target    span
	authority span // from the target; empty if it names none
	path      span // empty for absolute-form without a path
	query     span
	form      targetForm
	plain     bool // path is in its normal form and not ambiguous
}

// reset prepares for the next head.
func (h *head) reset(l *asteri.Limits) {
	*h = head{limits: l, fields: h.fields[:0], seen: h.seen[:0]}
}

// again tells whether p begins with the head that was parsed last, and returns
// its length then. Clients mostly repeat themselves, and what a head says depends
// on its bytes and the limits alone: not on what follows, since its end is in it.
func (h *head) again(p []byte) (size int) {
	if n := len(h.seen); n > 0 && n <= len(p) && bytes.Equal(h.seen, p[:n]) {
		return n
	}
	return 0
}

// remember notes the bytes of a head that was parsed without fault.
func (h *head) remember(p []byte) {
	if len(p) <= maxSeen {
		h.seen = append(h.seen, p...)
	}
}

// resetTrailer prepares for a trailer section.
func (h *head) resetTrailer(l *asteri.Limits) {
	h.reset(l)
	h.begun = true
}

// parse reads on in p. It returns the length of the head once it is complete,
// 0 while more bytes are needed.
func (h *head) parse(p []byte) (size int, refusal *asteri.StatusError) {
	if h.scanned > h.line {
		// The line was incomplete the last time. It is parsed again only
		// when all of it is there.
		if bytes.IndexByte(p[h.scanned:], '\n') < 0 {
			return 0, h.incomplete(p)
		}
	}
	if !h.begun {
		next, refusal := h.parseRequestLine(p)
		if next == 0 || refusal != nil {
			return 0, refusal
		}
		h.begun = true
		h.line = next
	}
	for {
		next, last, refusal := h.parseField(p)
		if next == 0 || refusal != nil {
			return 0, refusal
		}
		h.line = next
		if last {
			return next, nil
		}
	}
}

// parseField reads one field line, or the empty line that ends the section, and
// returns where the next line begins, 0 if the line is not complete.
func (h *head) parseField(p []byte) (next int, last bool, refusal *asteri.StatusError) {
	i := h.line
	for i < len(p) && httpfield.IsTokenByte(p[i]) {
		i++
	}
	if i == h.line {
		return h.parseSectionEnd(p)
	}
	if i == len(p) || p[i] != ':' {
		next, refusal = h.faulty(p, "field name is not followed by a colon")
		return next, false, refusal
	}
	nameEnd := i
	for i++; i < len(p) && httpfield.IsSpace(p[i]); i++ {
	}
	from := i
	i = httpfield.ValueEnd(p, i)
	if i+1 >= len(p) || p[i] != '\r' || p[i+1] != '\n' {
		next, refusal = h.faulty(p, "field value has a control character")
		return next, false, refusal
	}
	to := i
	for to > from && httpfield.IsSpace(p[to-1]) {
		to--
	}
	next = i + 2
	switch {
	case i-h.line > h.limits.FieldSize:
		return 0, false, errFieldSize()
	case next > h.limits.Head:
		return 0, false, errHeadSize()
	case len(h.fields) >= h.limits.Fields:
		return 0, false, errFieldCount()
	}
	f := fieldSpan{
		name:  span{uint32(h.line), uint32(nameEnd)},
		value: span{uint32(from), uint32(to)},
	}
	h.fields = append(h.fields, f)
	return next, false, h.note(p, f)
}

// parseSectionEnd reads a line that does not begin with a field name.
func (h *head) parseSectionEnd(p []byte) (next int, last bool, refusal *asteri.StatusError) {
	i := h.line
	if i+1 < len(p) && p[i] == '\r' && p[i+1] == '\n' {
		if i+2 > h.limits.Head {
			return 0, false, errHeadSize()
		}
		return i + 2, true, nil
	}
	reason := "field name is empty or has a character that is not allowed"
	if i < len(p) && httpfield.IsSpace(p[i]) {
		reason = "field line is folded or begins with white space" // RFC 9112 section 5.2
	}
	next, refusal = h.faulty(p, reason)
	return next, false, refusal
}

// faulty refuses the line being read if all of it is there, so that the fault is
// real and not just a missing rest.
func (h *head) faulty(p []byte, reason string) (next int, refusal *asteri.StatusError) {
	n := bytes.IndexByte(p[h.line:], '\n')
	if n < 0 {
		return 0, h.incomplete(p)
	}
	end := h.line + n
	bare := end == h.line || p[end-1] != '\r'
	if !bare {
		end--
	}
	switch {
	case !h.begun && end-h.line > h.lineLimit():
		return 0, errRequestLine()
	case h.begun && end-h.line > h.limits.FieldSize:
		return 0, errFieldSize()
	case h.line+n+1 > h.limits.Head:
		return 0, errHeadSize()
	case bare:
		reason = "line ends without a carriage return" // RFC 9112 section 2.2 lets us refuse it
	}
	return 0, bad(reason)
}

// incomplete notes how far the line being read has been looked at, and refuses
// it if it is too long already. One byte beyond the limit may be the carriage
// return.
func (h *head) incomplete(p []byte) *asteri.StatusError {
	h.scanned = len(p)
	switch n := len(p) - h.line; {
	case !h.begun && n-1 > h.lineLimit():
		return errRequestLine()
	case h.begun && n-1 > h.limits.FieldSize:
		return errFieldSize()
	case len(p) > h.limits.Head:
		return errHeadSize()
	}
	return nil
}

// lineLimit is the limit of the request line. A line that also exceeds the limit
// of the head is reported as too long a line.
func (h *head) lineLimit() int { return min(h.limits.RequestLine, h.limits.Head) }
