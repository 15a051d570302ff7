package takeover

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Bounds of a response's head that an application writes itself.
const (
	maxHead   = 32 << 10
	maxFields = 200
)

var (
	crlf    = []byte("\r\n")
	headEnd = []byte("\r\n\r\n")
)

var (
	errHead    error = &asteri.ResponseError{Reason: "what the application wrote on its socket is not the head of an HTTP/1.1 response"}
	errLength  error = &asteri.ResponseError{Reason: "the head of the response that the application wrote on its socket is too long"}
	errChunked error = &asteri.ResponseError{Reason: "a response on the socket cannot be chunked: its end is that of the stream"}
	errCut     error = &asteri.ResponseError{Reason: "the application closed its socket within the head of its response"}
)

// parseHead reads the head of a response (RFC 9112 sections 4 and 5) up to its
// last field, without the empty line behind it. Fields are views into p. The
// session judges what may stand in them.
func parseHead(p []byte) (*wire.Head, error) {
	line, rest, _ := bytes.Cut(p, crlf)
	h := &wire.Head{Header: new(asteri.Header)}
	var ok bool
	if h.Status, ok = parseStatusLine(line); !ok {
		return nil, errHead
	}
	h.Header.Reason = line[min(len("HTTP/1.1 101 "), len(line)):]
	for n := 0; len(rest) > 0; n++ {
		line, rest, _ = bytes.Cut(rest, crlf)
		name, value, ok := bytes.Cut(line, []byte{':'})
		value = bytes.Trim(value, " \t")
		switch {
		case !ok || !httpfield.IsToken(name):
			return nil, errHead
		case n == maxFields:
			return nil, errLength
		case asteri.EqualFold(name, "transfer-encoding") && h.Status >= 200:
			return nil, errChunked
		}
		h.Add(name, value)
	}
	return h, nil
}

// parseStatusLine reads "HTTP/1.1 101 Switching Protocols". The reason may be
// missing, with the space before it.
func parseStatusLine(line []byte) (status int, ok bool) {
	const shape = "HTTP/1.1 101"
	if len(line) < len(shape) || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return 0, false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, false
		}
		status = status*10 + int(c-'0')
	}
	if len(line) > len(shape) && line[12] != ' ' {
		return 0, false
	}
	return status, status >= 100 && status < 600
}
