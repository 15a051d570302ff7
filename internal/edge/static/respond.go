package static

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// errForgotten says that a file was closed, because the cache forgot it, after it
// was found and before it was sent.
var errForgotten = errors.New("file closed by the cache")

// respond answers with what e says.
func (h *Handler) respond(x asteri.Exchange, m *mount, e *entry) error {
	switch e.kind {
	case found:
		return e.respondFile(x)
	case folder:
		return m.redirect(x, e.key)
	case missing:
		if m.fallthru {
			h.next.ServeExchange(x)
			return nil
		}
		return respondStatus(x, http.StatusNotFound)
	case forbidden:
		return respondStatus(x, http.StatusForbidden)
	case failed:
	}
	var head asteri.Header
	head.AddInt("Retry-After", descriptors.RetryAfter)
	return respondText(x, http.StatusServiceUnavailable, &head)
}

func (e *entry) respondFile(x asteri.Exchange) error {
	r := x.Request()
	v := e.files[0]
	if len(e.files) > 1 {
		q := accept.Encodings(&r.Header)
		v = e.choose(&q)
	}
	var c conditions
	c.read(&r.Header)
	switch c.evaluate(&r.Header, v) {
	case http.StatusNotModified:
		return x.Respond(http.StatusNotModified, &v.notModified, nil)
	case http.StatusPreconditionFailed:
		return respondStatus(x, http.StatusPreconditionFailed)
	}
	if r.Method == http.MethodGet && c.wantsRange(v, r.Received) { // section 14.2: ranges are for GET
		var few [4]byteRange
		switch parts, verdict := parseRanges(few[:0], c.ranges, v.size); verdict {
		case rangeUnsatisfiable:
			return v.respondUnsatisfiable(x)
		case rangePart:
			return v.respondParts(x, parts)
		case rangeIgnored:
		}
	}
	if v.content != nil {
		return x.Respond(http.StatusOK, &v.head, v.content)
	}
	return v.respondParts(x, nil)
}

// respondParts sends the parts of v, or all of it if there are none. The file is
// made ready before anything is said.
func (v *file) respondParts(x asteri.Exchange, parts []byteRange) error {
	status, head := http.StatusPartialContent, &v.sized
	multi := envelope{}
	switch len(parts) {
	case 0:
		status, parts = http.StatusOK, []byteRange{{0, v.size}}
	case 1:
		head = v.head.Clone()
		head.Add("Content-Range", parts[0].contentRange(v.size))
		head.AddInt("Content-Length", parts[0].n)
	default:
		multi = newEnvelope(v, parts)
		head = v.head.Clone()
		head.Set("Content-Type", "multipart/byteranges; boundary="+multi.boundary)
		head.AddInt("Content-Length", multi.length())
	}
	if v.content == nil {
		if !v.open.Hold() {
			return errForgotten
		}
		defer v.open.Close()
	}
	if err := x.Start(status, head); err != nil {
		return err
	}
	if x.Request().Method == http.MethodHead {
		return x.Finish(nil)
	}
	var err error
	for i, r := range parts {
		err = errors.Join(err, multi.writeHead(x, i), v.send(x, r))
	}
	err = errors.Join(err, multi.writeEnd(x))
	if err != nil {
		return err
	}
	return x.Finish(nil)
}

// send sends a part of v, which is held. All that is sent of it shares one
// descriptor.
func (v *file) send(x asteri.Exchange, r byteRange) error {
	if v.content != nil {
		_, err := x.Write(v.content[r.off : r.off+r.n])
		return err
	}
	v.open.Hold()
	return x.SendFile(v.open, r.off, r.n) // which gives up the hold, error or not
}

// envelope is the frame around several parts (RFC 9110 section 14.6). The zero
// value is none.
type envelope struct {
	boundary string
	heads    []string
	content  int64
}

func newEnvelope(v *file, parts []byteRange) envelope {
	m := envelope{boundary: rand.Text()} // nobody can have written it into the file
	for _, r := range parts {
		m.content += r.n
		m.heads = append(m.heads, "\r\n--"+m.boundary+"\r\nContent-Type: "+v.contentType+
			"\r\nContent-Range: "+r.contentRange(v.size)+"\r\n\r\n")
	}
	return m
}

func (m *envelope) end() string { return "\r\n--" + m.boundary + "--\r\n" }

// length returns the length of the whole content.
func (m *envelope) length() int64 {
	n := m.content + int64(len(m.end()))
	for _, h := range m.heads {
		n += int64(len(h))
	}
	return n
}

func (m *envelope) writeHead(x asteri.Exchange, i int) error {
	if m.boundary == "" {
		return nil
	}
	_, err := x.Write([]byte(m.heads[i]))
	return err
}

func (m *envelope) writeEnd(x asteri.Exchange) error {
	if m.boundary == "" {
		return nil
	}
	_, err := x.Write([]byte(m.end()))
	return err
}

func (v *file) respondUnsatisfiable(x asteri.Exchange) error {
	var h asteri.Header
	h.Add("Content-Range", "bytes */"+strconv.FormatInt(v.size, 10))
	return respondText(x, http.StatusRequestedRangeNotSatisfiable, &h)
}

// redirect sends a client to a folder's name with its slash, without which links
// in its index would lead elsewhere.
func (m *mount) redirect(x asteri.Exchange, key string) error {
	location := append(urlpath.AppendEscaped(nil, key), '/')
	if query := x.Request().Query; len(query) > 0 {
		location = append(append(location, '?'), query...)
	}
	var h asteri.Header
	h.Append([]byte("Location"), location)
	if m.cacheControl != "" {
		h.Add("Cache-Control", m.cacheControl)
	}
	return respondText(x, http.StatusMovedPermanently, &h)
}

func respondStatus(x asteri.Exchange, status int) error {
	return respondText(x, status, new(asteri.Header))
}

// respondText answers with the name of the status as text.
func respondText(x asteri.Exchange, status int, h *asteri.Header) error {
	h.Add("Content-Type", "text/plain; charset=utf-8")
	return x.Respond(status, h, []byte(strconv.Itoa(status)+" "+http.StatusText(status)+"\n"))
}
