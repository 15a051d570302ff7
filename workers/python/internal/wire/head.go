package wire

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// Head is a status and header as an application gave them. Until it is cloned
// its fields are views into the frame.
type Head struct {
	Status int
	Reason []byte // the application's own phrase
	Header *asteri.Header
	// Length is the Content-Length field, which is not in Header, and Number its value;
	// nil if there is none. Strange says that it is to be sent as it is, so that the
	// session refuses it: it is not a number, or there are several.
	Length  []byte
	Number  int64
	Strange bool
	Invalid error  // of a field that is not latin-1 text, or fields too many, which were left out
	Size    int    // of all fields, in bytes
	text    []byte // of fields that were not ASCII
}

// Answer is a whole response.
type Answer struct {
	Head
	Body []byte
}

// Clone copies a head that is to leave its loop, or outlive its frame.
func (h *Head) Clone() Head {
	c := *h
	c.Header = h.Header.Clone()
	c.Reason = c.Header.Reason
	c.Length = bytes.Clone(h.Length)
	return c
}

// Clone copies an answer likewise.
func (a *Answer) Clone() Answer { return Answer{a.Head.Clone(), bytes.Clone(a.Body)} }

// WithLength returns the header with the application's Content-Length.
func (h *Head) WithLength() *asteri.Header {
	if h.Length != nil {
		h.Header.Append(contentLength, h.Length)
	}
	return h.Header
}

var contentLength = []byte("Content-Length")

// Whole tells whether the response can be sent in one call: its Content-Length,
// if the application gave one, is that of the body, and the response may have a
// body (RFC 9110 section 6.4.1).
func (a *Answer) Whole(method string) bool {
	switch {
	case a.Strange || method == http.MethodHead:
		return false
	case a.Status < 200 || a.Status == http.StatusNoContent || a.Status == http.StatusNotModified:
		return false
	}
	return a.Length == nil || a.Number == int64(len(a.Body))
}

// Why a head, or all interim ones of a request together, are not sent.
var (
	ErrHead    = &asteri.ResponseError{Reason: "the head is longer than --limit-response-head allows"}
	ErrInforms = &asteri.ResponseError{Reason: "there are too many interim responses"}
)

// notLatin1 says which field cannot be sent: one with another letter, or with a value
// that is not text, such as a number.
func notLatin1(name []byte) error {
	return &asteri.ResponseError{Reason: "a header field is not latin-1 text", Name: string(name)}
}

// latin1 returns the bytes of a field's name or value.
func (h *Head) latin1(v *marshal.Value) ([]byte, bool) {
	if v.Kind == marshal.Bytes || v.Kind == marshal.Str && v.ASCII {
		return v.Data, true
	}
	at := len(h.text)
	var ok bool
	h.text, ok = v.AppendLatin1(h.text)
	return h.text[at:len(h.text):len(h.text)], ok
}

// Add adds a field, except those about the connection, which are the server's
// business (PEP 3333 "Other HTTP Features"; applications and frameworks send
// them nevertheless).
func (h *Head) Add(name, value []byte) {
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
	h.Header.Append(name, value)
}

func (h *Head) addLength(name, value []byte) {
	if h.Length != nil {
		h.Strange = true
		h.Header.Append(name, value)
		return
	}
	h.Length = value
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		h.Strange = true
	}
	h.Number = n
}
