package http1

import (
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
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

// statusLines holds the status lines for 100 to 599, one behind the other.
var statusLines = func() (lines [500][]byte) {
	for i := range lines {
		code := 100 + i
		lines[i] = []byte("HTTP/1.1 " + strconv.Itoa(code) + " " + http.StatusText(code) + "\r\n")
	}
	return lines
}()

// hasReason tells whether the handler has given a reason phrase of its own.
func hasReason(h *asteri.Header) bool { return h != nil && len(h.Reason) > 0 }

func appendStatusLine(b []byte, status int, h *asteri.Header) ([]byte, error) {
	usual := statusLines[status-100]
	if !hasReason(h) {
		return append(b, usual...), nil
	}
	if !httpfield.IsValue(h.Reason) {
		return b, httpfield.Misuse("control character in the reason phrase")
	}
	b = append(b, usual[:len("HTTP/1.1 200 ")]...)
	b = append(b, h.Reason...)
	return append(b, crlf...), nil
}

// appendFields appends the field lines of h, except for those that the session
// writes itself. It refuses what an application may not send.
func appendFields(b []byte, h *asteri.Header, facts *httpfield.ResponseFacts) ([]byte, error) {
	facts.Length = httpfield.LengthUnknown
	for _, f := range h.Fields() {
		own, err := facts.Check(f)
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

func (x *transaction) chooseFraming(head *exchange.Head) {
	switch {
	case !head.Content:
		x.framing = frameNone
	case head.Fixed:
		x.framing = frameLength
	case x.modern:
		x.framing = frameChunked
	default:
		x.framing = frameClose
	}
}

// appendFraming appends the field that delimits the content.
func (x *transaction) appendFraming(b []byte, head *exchange.Head) []byte {
	switch {
	case x.framing == frameChunked:
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	case head.Length == httpfield.LengthUnknown:
		return b
	}
	return append(b, x.session.at.lengthLine(head.Length)...)
}

// appendConnection decides whether the connection is kept after this response.
func (x *transaction) appendConnection(b []byte, head *exchange.Head) []byte {
	s, facts := x.session, &head.Facts
	switch {
	case head.Last, facts.Close, s.stopping, x.framing == frameClose, s.eof && !s.paused, x.bodyUnwanted(head.Whole):
		x.keepAlive = false
	}
	switch {
	case facts.Upgrade && x.keepAlive:
		return append(b, "Connection: upgrade\r\n"...)
	case facts.Upgrade:
		return append(b, "Connection: upgrade, close\r\n"...)
	case !x.keepAlive:
		return append(b, "Connection: close\r\n"...)
	case !x.modern:
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// appendID tells the client the request's id.
func (x *transaction) appendID(b []byte) []byte {
	before := len(b)
	b = append(append(b, x.session.at.Settings.RequestIDField...), ": "...)
	value := len(b)
	if b = append(b, x.Request().Handling.ID...); !httpfield.IsValue(b[value:]) {
		return b[:before]
	}
	return append(b, '\r', '\n')
}

// bodyUnwanted tells whether the rest of the request body is in the way: nobody
// reads it, and the client waits to be asked for it (RFC 9110 section 10.1.1), or
// it is long and nobody will.
func (x *transaction) bodyUnwanted(final bool) bool {
	body := &x.session.body
	if body.done() || x.Asked() {
		return false
	}
	return x.WaitsToContinue() || final && body.kind == bodyFixed && body.left > maxDiscard
}

// appendRefusal appends a whole response to a request that could not be parsed.
func (at *local) appendRefusal(b []byte, refusal *asteri.StatusError) []byte {
	text := httpfield.RefusalText(refusal)
	b = append(b, statusLines[refusal.Code-100]...)
	b = append(b, "Content-Type: text/plain; charset=utf-8\r\n"...)
	b = append(b, at.lengthLine(int64(len(text)))...)
	b = append(b, "Connection: close\r\n"...)
	b = at.appendEnd(b, &httpfield.ResponseFacts{}, false)
	return append(b, text...)
}
