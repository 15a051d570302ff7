package http1

import (
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
)

// contentFraming is how the content of a response is delimited, RFC 9112
// section 6. The session chooses it, never the handler.
type contentFraming uint8

const (
	frameNone    contentFraming = iota // no content is sent
	frameLength                        // Content-Length
	frameChunked                       // chunked transfer coding
	frameClose                         // the end of the connection
)

// lengthUnknown stands for a Content-Length that nobody gave.
const lengthUnknown = -1

// statusLines holds the status lines for 100 to 599, one behind the other.
var statusLines = func() (lines [500][]byte) {
	for i := range lines {
		code := 100 + i
		lines[i] = []byte("HTTP/1.1 " + strconv.Itoa(code) + " " + http.StatusText(code) + "\r\n")
	}
	return lines
}()

// hasContent tells whether responses with this status have content, RFC 9110
// section 6.4.1. Reset Content (205) has none either.
func hasContent(status int) bool {
	return status >= 200 && status != 204 && status != 205 && status != 304
}

// headFacts is what the fields of a response say that matters to its framing.
type headFacts struct {
	length  int64
	date    bool
	server  bool
	close   bool
	upgrade bool
}

// appendFields appends the field lines of h, except for those that the session
// writes itself. It refuses what an application may not send.
func appendFields(b []byte, h *asteri.Header, facts *headFacts) ([]byte, error) {
	facts.length = lengthUnknown
	for _, f := range h.Fields() {
		if !isToken(f.Name) {
			return b, misuseOf("invalid field name", f.Name)
		}
		if valueEnd(f.Value, 0) != len(f.Value) {
			return b, misuseOf("control character in a field value", f.Name)
		}
		own, err := facts.note(f)
		if err != nil {
			return b, err
		}
		if !own {
			b = appendField(b, f)
		}
	}
	return b, nil
}

func appendField(b []byte, f asteri.Field) []byte {
	b = append(b, f.Name...)
	b = append(b, ':', ' ')
	b = append(b, f.Value...)
	return append(b, '\r', '\n')
}

// note takes account of a field; own says that the session writes it itself.
func (facts *headFacts) note(f asteri.Field) (own bool, err error) {
	if isConnectionField(f.Name) {
		return false, errConnectionField(f.Name)
	}
	switch len(f.Name) {
	case len("date"):
		facts.date = facts.date || foldIs(f.Name, "date")
	case len("server"):
		facts.server = facts.server || foldIs(f.Name, "server")
	case len("upgrade"):
		facts.upgrade = facts.upgrade || foldIs(f.Name, "upgrade")
	case len("connection"):
		if foldIs(f.Name, "connection") {
			if !foldIs(f.Value, "close") {
				return false, errConnectionField(f.Name)
			}
			facts.close = true
			return true, nil
		}
	case len("content-length"):
		if foldIs(f.Name, "content-length") {
			return true, facts.noteLength(f)
		}
	}
	return false, nil
}

// isConnectionField tells whether a field speaks about the connection, which is
// not the application's business (RFC 9110 section 7.6.1). Two more do that and
// are judged where they stand: an application may ask for the connection to be
// closed, and it names protocols in an upgrade, or in 426 (Upgrade Required).
func isConnectionField(name []byte) bool {
	switch len(name) {
	case len("te"):
		return foldIs(name, "te")
	case len("keep-alive"):
		return foldIs(name, "keep-alive")
	case len("proxy-connection"):
		return foldIs(name, "proxy-connection")
	case len("transfer-encoding"):
		return foldIs(name, "transfer-encoding")
	}
	return false
}

func errConnectionField(name []byte) error {
	return &asteri.ResponseError{Reason: "field is about the connection", Name: string(name)}
}

func (facts *headFacts) noteLength(f asteri.Field) error {
	if facts.length != lengthUnknown {
		return misuseOf("second Content-Length", f.Name)
	}
	n, ok := parseLength(f.Value)
	if !ok || n < 0 {
		return misuseOf("invalid Content-Length", f.Name)
	}
	facts.length = n
	return nil
}

// appendHead appends the head of a final response and decides its framing. It
// changes the exchange only if there is no error. length is that of the content
// if it is known, else lengthUnknown: then a Content-Length of h counts.
func (x *exchange) appendHead(b []byte, status int, h *asteri.Header, length int64) ([]byte, error) {
	if status < 200 || status > 599 {
		return b, misuse("status " + strconv.Itoa(status) + " is not from 200 to 599")
	}
	at := x.session.at
	final := length != lengthUnknown
	var facts headFacts
	b, err := at.prepared.appendStart(b, status, h, &facts)
	switch {
	case err != nil:
		return b, err
	case facts.upgrade && status != 426:
		return b, errConnectionField([]byte("Upgrade"))
	case length == lengthUnknown:
		length = facts.length
	case facts.length != lengthUnknown:
		return b, misuseOf("second Content-Length", []byte("Content-Length"))
	}
	x.status = status
	x.chooseFraming(status, length)
	b = x.appendFraming(b, status, length, final)
	b = x.appendConnection(b, &facts, final)
	return at.appendEnd(b, &facts), nil
}

func (x *exchange) chooseFraming(status int, length int64) {
	x.left = 0
	switch {
	case !hasContent(status) || x.req.Method == "HEAD":
		x.framing = frameNone
	case length != lengthUnknown:
		x.framing = frameLength
		x.left = length
	case x.modern:
		x.framing = frameChunked
	default:
		x.framing = frameClose
	}
}

// appendFraming appends the field that delimits the content. A response without
// content to HEAD, or 304, keeps the length that its content would have (RFC
// 9110 section 8.6), if the handler gave it; 204 must not have one.
func (x *exchange) appendFraming(b []byte, status int, length int64, final bool) []byte {
	switch {
	case x.framing == frameChunked:
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	case status == 205:
		length = 0
	case length == lengthUnknown, status == 204, status == 304 && final:
		return b
	}
	return append(b, x.session.at.lengthLine(length)...)
}

// appendConnection decides whether the connection is kept after this response.
// final says that the whole response is known: nobody will read the request body.
func (x *exchange) appendConnection(b []byte, facts *headFacts, final bool) []byte {
	s := x.session
	switch {
	case facts.close, s.stopping, x.framing == frameClose, s.eof && !s.paused, x.bodyUnwanted(final):
		x.keepAlive = false
	}
	switch {
	case facts.upgrade && x.keepAlive:
		return append(b, "Connection: upgrade\r\n"...)
	case facts.upgrade:
		return append(b, "Connection: upgrade, close\r\n"...)
	case !x.keepAlive:
		return append(b, "Connection: close\r\n"...)
	case !x.modern:
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// bodyUnwanted tells whether the rest of the request body is in the way: nobody
// reads it, and the client waits to be asked for it (RFC 9110 section 10.1.1), or
// it is long and nobody will.
func (x *exchange) bodyUnwanted(final bool) bool {
	body := &x.session.body
	if body.done() || x.sink != nil {
		return false
	}
	return x.expects100 || final && body.kind == bodyFixed && body.left > maxDiscard
}

// appendRefusal appends a whole response to a request that could not be parsed.
func (at *local) appendRefusal(b []byte, refusal *asteri.StatusError) []byte {
	text := refusalText(refusal)
	b = append(b, statusLines[refusal.Code-100]...)
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\n"...)
	b = append(b, at.lengthLine(int64(len(text)))...)
	b = append(b, "Connection: close\r\n"...)
	b = at.appendEnd(b, &headFacts{})
	return append(b, text...)
}

// refusalText is what a client gets to read. Reasons are for the client only if
// the fault is its own.
func refusalText(e *asteri.StatusError) string {
	text := strconv.Itoa(e.Code) + " " + http.StatusText(e.Code)
	if e.Code < 500 && e.Reason != "" {
		text += ": " + e.Reason
	}
	return text + "\n"
}
