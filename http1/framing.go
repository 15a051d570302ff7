package http1

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// framing is what the fields of a head say about the message and the
// connection.
type framing struct {
	host       span
	length     int64 // Content-Length, if hasLength
	hosts      uint8 // Host fields seen, counted to 2
	hasLength  bool
	chunked    bool
	close      bool // Connection: close
	keepAlive  bool // Connection: keep-alive
	upgrade    bool // Connection: upgrade
	expects    bool // there is an Expect field
	expects100 bool // and it is 100-continue
}

// note takes account of a field that means something to this layer. Names are
// told apart by their length first, which most fields fail.
func (h *head) note(p []byte, f fieldSpan) *asteri.StatusError {
	name := f.name.of(p)
	switch len(name) {
	case len("host"):
		if httpfield.FoldIs(name, "host") {
			return h.noteHost(p, f.value)
		}
	case len("expect"):
		if httpfield.FoldIs(name, "expect") {
			h.expects100 = httpfield.FoldIs(f.value.of(p), "100-continue") && !h.expects
			h.expects = true
		}
	case len("connection"):
		if httpfield.FoldIs(name, "connection") {
			h.noteConnection(f.value.of(p))
		}
	case len("content-length"):
		if httpfield.FoldIs(name, "content-length") {
			return h.noteLength(f.value.of(p))
		}
	case len("transfer-encoding"):
		if httpfield.FoldIs(name, "transfer-encoding") {
			return h.noteCoding(f.value.of(p))
		}
	}
	return nil
}

func (h *head) noteHost(p []byte, v span) *asteri.StatusError {
	if h.hosts++; h.hosts > 1 {
		return bad("more than one Host field")
	}
	if !httpfield.ValidAuthority(v.of(p)) {
		return bad("invalid Host field")
	}
	h.host = v
	return nil
}

// noteLength reads Content-Length: digits and nothing else, in one field. RFC
// 9110 section 8.6 would let us take a list of equal values; they are a
// smuggling shape and refused.
func (h *head) noteLength(v []byte) *asteri.StatusError {
	if h.hasLength {
		return bad("more than one Content-Length field")
	}
	n, ok := httpfield.ParseLength(v)
	if !ok {
		return bad("invalid Content-Length field")
	}
	if n < 0 {
		return errBodySize()
	}
	h.hasLength = true
	h.length = n
	return nil
}

// noteCoding reads Transfer-Encoding. Only "chunked" alone is supported. Where
// chunked is not the last coding the length cannot be told: 400 (RFC 9112
// section 6.3); a coding that is not known is 501 (section 6.1).
func (h *head) noteCoding(v []byte) *asteri.StatusError {
	if h.version == asteri.HTTP10 {
		return bad("Transfer-Encoding in HTTP/1.0")
	}
	if h.chunked {
		return bad("more than one Transfer-Encoding field")
	}
	if httpfield.FoldIs(v, "chunked") {
		h.chunked = true
		return nil
	}
	for rest := v; rest != nil; {
		var item []byte
		item, rest = httpfield.NextItem(rest)
		switch {
		case !httpfield.IsToken(item):
			return bad("invalid Transfer-Encoding field")
		case httpfield.FoldIs(item, "chunked") == (rest != nil) && len(item) < len(v):
			return bad("chunked is not the last transfer coding, or not the only one")
		}
	}
	return &asteri.StatusError{Code: 501, Reason: "transfer coding is not supported"}
}

func (h *head) noteConnection(v []byte) {
	for len(v) > 0 {
		var item []byte
		item, v = httpfield.NextItem(v)
		switch {
		case httpfield.FoldIs(item, "close"):
			h.close = true
		case httpfield.FoldIs(item, "keep-alive"):
			h.keepAlive = true
		case httpfield.FoldIs(item, "upgrade"):
			h.upgrade = true
		}
	}
}

// check judges the head as a whole once it is complete.
func (h *head) check() *asteri.StatusError {
	switch {
	case h.version == asteri.HTTP11 && h.hosts == 0:
		return bad("no Host field") // RFC 9112 section 3.2
	case h.chunked && h.hasLength:
		return bad("both Content-Length and Transfer-Encoding") // section 6.1
	case h.method == "CONNECT":
		return &asteri.StatusError{Code: 501, Reason: "this is not a proxy: CONNECT is not supported"}
	case h.version == asteri.HTTP11 && h.expects && !h.expects100:
		return &asteri.StatusError{Code: 417, Reason: "expectation is not known"}
	case h.hasLength && h.length > h.limits.Body:
		return errBodySize()
	}
	return nil
}

// checkTrailer refuses fields that would have framed or routed the message had
// they stood in the head, RFC 9110 section 6.5.1.
func (h *head) checkTrailer() *asteri.StatusError {
	if h.hosts > 0 || h.hasLength || h.chunked {
		return bad("trailer has a field that belongs into the head")
	}
	return nil
}

// persistent tells whether the client wants to keep the connection, RFC 9112
// section 9.3.
func (h *head) persistent() bool {
	return !h.close && (h.version == asteri.HTTP11 || h.keepAlive)
}
