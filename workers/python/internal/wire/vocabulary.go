package wire

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// atoms is what the requests of a link repeat: each word is written once in a
// frame.
var atoms marshal.Atoms

// word is a token that requests repeat, such as a method.
type word struct {
	text string
	atom *marshal.Atom
}

// words are looked up by comparing: there are few of each kind.
type words []word

func newWords(texts ...string) words {
	ws := make(words, len(texts))
	for i, t := range texts {
		ws[i] = word{t, atoms.New(t)}
	}
	return ws
}

// write writes s as an atom if it is one of the words.
func (ws words) write(e *marshal.Encoder, s string) {
	for i := range ws {
		if ws[i].text == s {
			e.Atom(ws[i].atom)
			return
		}
	}
	e.Str(s)
}

var (
	methods = newWords("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
	schemes = newWords("http", "https")
	version = [...]*marshal.Atom{
		asteri.HTTP10: atoms.New("1.0"), asteri.HTTP11: atoms.New("1.1"),
		asteri.HTTP2: atoms.New("2"), asteri.HTTP3: atoms.New("3"),
	}
)

// fieldName is a field name that requests repeat.
type fieldName struct {
	id      int
	name    string        // lower case
	environ *marshal.Atom // str: the WSGI key
	raw     *marshal.Atom // bytes: the ASGI name
	join    string        // between the values of a repeated field
}

// fieldNames is a hash table of the common request fields.
type fieldNames struct {
	slots [256]*fieldName
	count int
}

var fieldTable = newFieldNames(
	"accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers",
	"access-control-request-method", "age", "authorization", "cache-control", "cdn-loop", "cf-connecting-ip", "cf-ipcountry",
	"cf-ray", "cf-visitor", "connection", "content-disposition", "content-encoding", "content-language", "content-length",
	"content-type", "cookie", "date", "dnt", "expect", "forwarded", "from", "host", "if-match", "if-modified-since",
	"if-none-match", "if-range", "if-unmodified-since", "keep-alive", "max-forwards", "origin", "pragma", "priority",
	"proxy-authorization", "range", "referer", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest",
	"sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-gpc", "sec-websocket-extensions", "sec-websocket-key",
	"sec-websocket-protocol", "sec-websocket-version", "te", "traceparent", "tracestate", "trailer", "transfer-encoding",
	"upgrade", "upgrade-insecure-requests", "user-agent", "via", "x-amzn-trace-id", "x-api-key", "x-correlation-id",
	"x-csrf-token", "x-csrftoken", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
	"x-real-ip", "x-request-id", "x-requested-with",
)

func newFieldNames(names ...string) *fieldNames {
	t := &fieldNames{count: len(names)}
	for id, name := range names {
		f := &fieldName{
			id: id, name: name, join: ", ",
			environ: atoms.New(string(appendEnvironKey(nil, []byte(name)))),
			raw:     atoms.NewBytes(name),
		}
		if name == "cookie" {
			f.join = "; " // RFC 6265 section 5.4: there is one Cookie field
		}
		at := hashName([]byte(name))
		for t.slots[at] != nil {
			at++
		}
		t.slots[at] = f
	}
	return t
}

// find returns the common field called name, or nil.
func (t *fieldNames) find(name []byte) *fieldName {
	if len(name) == 0 {
		return nil
	}
	for at := hashName(name); ; at++ {
		f := t.slots[at]
		if f == nil || asteri.EqualFold(name, f.name) {
			return f
		}
	}
}

// hashName tells field names apart by their length and three of their letters.
func hashName(name []byte) uint8 {
	n := len(name)
	return uint8(n*5) ^ (name[0]|0x20)*3 ^ (name[n-1]|0x20)*7 ^ (name[n/2]|0x20)*13
}

// appendEnvironKey appends the WSGI (CGI) key of a field (RFC 3875 section
// 4.1.18).
func appendEnvironKey(dst, name []byte) []byte {
	if !asteri.EqualFold(name, "content-type") && !asteri.EqualFold(name, "content-length") {
		dst = append(dst, "HTTP_"...)
	}
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case c == '-':
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
