package http1

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// prepared is the beginning of the last response whose handler gave the same
// Header twice in a row, which handlers do that keep theirs ready: the status
// line and the field lines as they were checked and written then. That the header
// is the same one says only that it pays to compare; it may have changed since.
type prepared struct {
	header *asteri.Header // given last
	status int
	fields []asteri.Field // views of lines; nil if there are none for header
	lines  []byte
	facts  httpfield.ResponseFacts
}

// maxPrepared bounds lines in bytes.
const maxPrepared = 2 << 10

// appendStart appends the status line and what appendFields does for h.
func (p *prepared) appendStart(b []byte, status int, h *asteri.Header, facts *httpfield.ResponseFacts) ([]byte, error) {
	if p.is(status, h) {
		*facts = p.facts
		return append(b, p.lines...), nil
	}
	from := len(b)
	b, err := appendStatusLine(b, status, h)
	if err == nil {
		b, err = appendFields(b, h, facts)
	}
	if err != nil || !p.pays(status, h) {
		return b, err
	}
	p.set(b[from:], h, facts)
	return b, nil
}

// is tells whether the lines are those of this response.
func (p *prepared) is(status int, h *asteri.Header) bool {
	if h != p.header || status != p.status || h.Len() != len(p.fields) || hasReason(h) {
		return false
	}
	fields := h.Fields()
	for i := range fields {
		f, known := &fields[i], &p.fields[i]
		if !bytes.Equal(f.Name, known.Name) || !bytes.Equal(f.Value, known.Value) {
			return false
		}
	}
	return len(fields) > 0
}

// pays tells whether h has come twice now.
func (p *prepared) pays(status int, h *asteri.Header) bool {
	again := h == p.header && status == p.status && h.Len() > 0 && !hasReason(h)
	p.header, p.status, p.fields = h, status, p.fields[:0]
	return again
}

// set takes lines, which are those of h. Where they are not all of h, because the
// session writes some itself, comparing them is not that simple.
func (p *prepared) set(lines []byte, h *asteri.Header, facts *httpfield.ResponseFacts) {
	if len(lines) > maxPrepared || facts.Close || facts.Length != httpfield.LengthUnknown {
		return
	}
	p.lines = append(p.lines[:0], lines...)
	p.facts = *facts
	at := len(statusLines[p.status-100])
	for _, f := range h.Fields() {
		name, value := at, at+len(f.Name)+len(": ")
		end := value + len(f.Value)
		p.fields = append(p.fields, asteri.Field{Name: p.lines[name : name+len(f.Name)], Value: p.lines[value:end]})
		at = end + len(crlf)
	}
}
