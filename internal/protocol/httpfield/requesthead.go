package httpfield

import (
	"strings"

	"github.com/asteri/asteri-loop"
)

// Malformed says why a request is malformed, RFC 9113 section 8.1.1 and RFC 9114
// section 4.1.2: its stream ends with an error of the protocol.
type Malformed string

// Error returns the reason.
func (m Malformed) Error() string { return "malformed request: " + string(m) }

// RequestHead makes a request of the field lines of a header section as HTTP/2
// and HTTP/3 write it, or a trailer section. Field lines are added one after the
// other as they are decoded; End judges the whole. It belongs to one goroutine and
// is used again by Begin.
type RequestHead struct {
	limits  *asteri.Limits
	req     *asteri.Request
	header  *asteri.Header
	arena   []byte // the pseudo-header fields, which the request's slices point into
	fault   Malformed
	refusal *asteri.StatusError

	size     int // RFC 9113 section 6.5.2
	fields   int
	pseudo   pseudoSet
	trailer  bool
	regular  bool // a field that is not a pseudo-header field has come
	hosts    int
	host     []byte
	scheme   []byte
	lengths  int
	cookieAt int // index of the first Cookie field
	cookies  int
	crumbs   []byte
	Facts    RequestFacts
}

// RequestFacts is what the fields of a request say to the protocol.
type RequestFacts struct {
	// Expects100 tells that the client waits for 100 (Continue).
	Expects100 bool
	expects    bool
	// Prioritized tells that there is a Priority field, which says Priority.
	Prioritized bool
	Priority    Priority
}

type pseudoSet uint8

const (
	pseudoMethod pseudoSet = 1 << iota
	pseudoScheme
	pseudoPath
	pseudoAuthority
	pseudoProtocol
)

// sizeOverhead is what a field line counts beside its name and value.
const sizeOverhead = 32

// Begin prepares for the head of req, whose Header is to be empty. arena is memory
// for its slices, of which they take what they need; see Arena.
func (h *RequestHead) Begin(req *asteri.Request, arena []byte, l *asteri.Limits) {
	crumbs := h.crumbs[:0]
	*h = RequestHead{limits: l, req: req, header: &req.Header, arena: arena[:0], crumbs: crumbs}
	h.Facts.Priority = DefaultPriority
	req.Method, req.Protocol = "", ""
	req.Target, req.Path, req.Query, req.Authority = nil, nil, nil, nil
	req.Route, req.Ambiguous = nil, false
	req.ContentLength = -1
}

// BeginTrailer prepares for a trailer section, which is added to dst.
func (h *RequestHead) BeginTrailer(dst *asteri.Header, l *asteri.Limits) {
	crumbs := h.crumbs[:0]
	*h = RequestHead{limits: l, header: dst, trailer: true, crumbs: crumbs}
}

// Arena returns the memory given to Begin, or that which has replaced it.
func (h *RequestHead) Arena() []byte { return h.arena }

// Size returns the size of the section so far, as SETTINGS_MAX_HEADER_LIST_SIZE
// and SETTINGS_MAX_FIELD_SECTION_SIZE count it.
func (h *RequestHead) Size() int { return h.size }

// Add takes the next field line, of which it keeps copies only. It keeps nothing of
// a section that is refused already: one that is too large costs no memory.
func (h *RequestHead) Add(name, value string) {
	h.size += len(name) + len(value) + sizeOverhead
	switch {
	case h.fault != "" || h.refusal != nil:
		return
	case h.size > h.limits.Head:
		h.refuse(431, "head is too long")
		return
	case len(name)+len(": ")+len(value) > h.limits.FieldSize && len(name) > 0 && name[0] != ':':
		h.refuse(431, "field line is too long")
		return
	}
	if len(name) > 0 && name[0] == ':' {
		h.addPseudo(name, value)
		return
	}
	h.regular = true
	if h.fields++; h.fields > h.limits.Fields {
		h.refuse(431, "too many fields")
		return
	}
	h.addField(name, value)
}

func (h *RequestHead) refuse(code int, reason string) {
	if h.refusal == nil {
		h.refusal = &asteri.StatusError{Code: code, Reason: reason}
	}
}

// addPseudo takes a pseudo-header field, RFC 9113 section 8.3.
func (h *RequestHead) addPseudo(name, value string) {
	if h.trailer {
		h.fault = "pseudo-header field in a trailer"
		return
	}
	var bit pseudoSet
	switch name {
	case ":method":
		bit = pseudoMethod
		h.req.Method = methodOf(value)
	case ":scheme":
		bit = pseudoScheme
		h.scheme = h.copy(value)
	case ":path":
		bit = pseudoPath
		if len(value) > h.limits.RequestLine {
			h.refuse(414, "request target is too long")
			return
		}
		h.req.Target = h.copy(value)
	case ":authority":
		bit = pseudoAuthority
		h.req.Authority = h.copy(value)
	case ":protocol":
		bit = pseudoProtocol
		h.req.Protocol = strings.Clone(value)
	}
	switch {
	case bit == 0:
		h.fault = "pseudo-header field is not known"
	case h.pseudo&bit != 0:
		h.fault = "pseudo-header field is repeated"
	case h.regular:
		h.fault = "pseudo-header field after other fields"
	}
	h.pseudo |= bit
}

// copy copies value into the arena. An arena that must grow leaves earlier slices
// where they are.
func (h *RequestHead) copy(value string) []byte {
	n := len(h.arena)
	h.arena = append(h.arena, value...)
	return h.arena[n:len(h.arena):len(h.arena)]
}

// methodOf is MethodName for a string, which common methods need not keep.
func methodOf(s string) string {
	switch s {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	}
	return MethodName([]byte(s))
}

// addField takes a field that is not a pseudo-header field.
func (h *RequestHead) addField(name, value string) {
	if !IsLowerToken(name) {
		h.fault = "field name is empty or has a character that is not allowed"
		return
	}
	if name == "cookie" && h.cookies > 0 {
		h.addCrumb(value)
		return
	}
	h.header.Add(name, value)
	f := h.header.At(h.header.Len() - 1)
	switch {
	case !IsValue(f.Value):
		h.fault = "field value has a control character"
	case value != "" && (IsSpace(value[0]) || IsSpace(value[len(value)-1])):
		h.fault = "field value begins or ends with white space" // RFC 9113 section 8.2.1
	default:
		h.note(name, f.Value)
	}
}

// note takes account of a field that means something to the protocol, or that
// must not be there (RFC 9113 section 8.2.2).
func (h *RequestHead) note(name string, value []byte) {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		h.fault = "field is about the connection"
	case "te":
		if !FoldIs(value, "trailers") {
			h.fault = "te says other than trailers"
		}
	case "host":
		h.hosts++
		h.host = value
	case "content-length":
		h.noteLength(value)
	case "cookie":
		h.cookies = 1
		h.cookieAt = h.header.Len() - 1
	case "expect":
		h.Facts.Expects100 = FoldIs(value, "100-continue") && !h.Facts.expects
		h.Facts.expects = true
	case "priority":
		h.Facts.Prioritized = true
		h.Facts.Priority = ParsePriority(value, h.Facts.Priority)
	}
}

func (h *RequestHead) noteLength(value []byte) {
	n, ok := ParseLength(value)
	switch h.lengths++; {
	case h.lengths > 1:
		h.fault = "more than one content-length"
	case !ok:
		h.fault = "invalid content-length"
	case h.trailer:
	case n < 0:
		h.refuse(413, "content is too long")
	default:
		h.req.ContentLength = n
	}
}

// addCrumb joins a further piece of the Cookie field to those before (RFC 9113
// section 8.2.3).
func (h *RequestHead) addCrumb(value string) {
	if h.cookies == 1 {
		h.crumbs = append(h.crumbs[:0], h.header.At(h.cookieAt).Value...)
	}
	h.cookies++
	h.crumbs = append(h.crumbs, "; "...)
	n := len(h.crumbs)
	h.crumbs = append(h.crumbs, value...)
	if !IsValue(h.crumbs[n:]) {
		h.fault = "field value has a control character"
	}
}

func (h *RequestHead) joinCookies() {
	if h.cookies > 1 {
		h.header.Fields()[h.cookieAt].Value = append([]byte(nil), h.crumbs...)
	}
}
