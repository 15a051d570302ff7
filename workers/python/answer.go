package python

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/marshal"
)

// head is a status and header as an application gave them. Until it is cloned
// its fields are views into the frame.
type head struct {
	status int
	reason []byte // the application's own phrase
	header *asteri.Header
	// length is the Content-Length field, which is not in header; nil if there is
	// none. strange says that it is to be sent as it is, so that the session
	// refuses it: it is not a number, or there are several.
	length  []byte
	number  int64
	strange bool
	invalid error  // of a field that is not latin-1 text, or fields too many, which were left out
	size    int    // of all fields, in bytes
	text    []byte // of fields that were not ASCII
}

// answer is a whole response.
type answer struct {
	head
	body []byte
}

// clone copies a head that is to leave its loop, or outlive its frame.
func (h *head) clone() head {
	c := *h
	c.header = h.header.Clone()
	c.reason = c.header.Reason
	c.length = bytes.Clone(h.length)
	return c
}

func (a *answer) clone() answer { return answer{a.head.clone(), bytes.Clone(a.body)} }

// withLength returns the header with the application's Content-Length.
func (h *head) withLength() *asteri.Header {
	if h.length != nil {
		h.header.Append(contentLength, h.length)
	}
	return h.header
}

var contentLength = []byte("Content-Length")

// whole tells whether the response can be sent in one call: its Content-Length,
// if the application gave one, is that of the body, and the response may have a
// body (RFC 9110 section 6.4.1).
func (a *answer) whole(method string) bool {
	switch {
	case a.strange || method == http.MethodHead:
		return false
	case a.status < 200 || a.status == http.StatusNoContent || a.status == http.StatusNotModified:
		return false
	}
	return a.length == nil || a.number == int64(len(a.body))
}

// readStatus reads a status, which comes with a reason phrase if it is text:
// "404 Not here". The phrase is a view into the frame.
func (l *link) readStatus(h *head) error {
	var v marshal.Value
	if err := l.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind == marshal.Int {
		h.status = int(v.Int)
		return nil
	}
	text, ok := h.latin1(&v)
	if v.Kind != marshal.Str || !ok || len(text) > maxStatus || len(text) < len("200 ") || text[3] != ' ' {
		return violation("a status is neither an int nor a line")
	}
	for _, c := range text[:3] {
		if c < '0' || c > '9' {
			return violation("a status line does not begin with a number")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if reason := text[len("200 "):]; string(reason) != http.StatusText(h.status) {
		h.reason = reason
	}
	return nil
}

// readHeader reads a flat tuple of names and values into h.header. Where there are too many
// bytes of them it goes on without.
func (l *link) readHeader(h *head) error {
	var name, value marshal.Value
	if err := l.walker.Next(&value); err != nil {
		return err
	}
	if value.Kind != marshal.Tuple || value.Int%2 != 0 || value.Int > 2*maxFields {
		return violation("headers are not a tuple of pairs, or too many")
	}
	h.header.Reset()
	h.header.Reason = h.reason
	h.length, h.strange, h.invalid, h.size = nil, false, nil, len(h.reason)
	limit := l.worker.cfg.ResponseHead
	for n := value.Int; n > 0; n -= 2 {
		if err := l.walker.Next(&name); err != nil {
			return err
		}
		if err := l.walker.Next(&value); err != nil {
			return err
		}
		if h.size += len(name.Data) + len(value.Data) + fieldCost; h.size > limit {
			h.invalid = errHead
			continue
		}
		nameBytes, ok1 := h.latin1(&name)
		valueBytes, ok2 := h.latin1(&value)
		if !ok1 || !ok2 {
			h.invalid = notLatin1(nameBytes)
			continue
		}
		h.add(nameBytes, valueBytes)
	}
	return nil
}

var (
	errHead    = &asteri.ResponseError{Reason: "the head is longer than --limit-response-head allows"}
	errInforms = &asteri.ResponseError{Reason: "there are too many interim responses"}
)

// notLatin1 says which field cannot be sent: one with another letter, or with a value
// that is not text, such as a number.
func notLatin1(name []byte) error {
	return &asteri.ResponseError{Reason: "a header field is not latin-1 text", Name: string(name)}
}

// latin1 returns the bytes of a field's name or value.
func (h *head) latin1(v *marshal.Value) ([]byte, bool) {
	if v.Kind == marshal.Bytes || v.Kind == marshal.Str && v.ASCII {
		return v.Data, true
	}
	at := len(h.text)
	var ok bool
	h.text, ok = v.AppendLatin1(h.text)
	return h.text[at:len(h.text):len(h.text)], ok
}

// add adds a field, except those about the connection, which are the server's
// business (PEP 3333 "Other HTTP Features"; applications and frameworks send
// them nevertheless).
func (h *head) add(name, value []byte) {
	switch len(name) {
	case len("Connection"):
		if asteri.EqualFold(name, "connection") || asteri.EqualFold(name, "keep-alive") {
			return
		}
	case len("Content-Length"):
		if asteri.EqualFold(name, "content-length") {
			h.addLength(name, value)
			return
		}
	case len("Proxy-Connection"):
		if asteri.EqualFold(name, "proxy-connection") {
			return
		}
	case len("Transfer-Encoding"):
		if asteri.EqualFold(name, "transfer-encoding") {
			return
		}
	}
	h.header.Append(name, value)
}

func (h *head) addLength(name, value []byte) {
	if h.length != nil {
		h.strange = true
		h.header.Append(name, value)
		return
	}
	h.length = value
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		h.strange = true
	}
	h.number = n
}
