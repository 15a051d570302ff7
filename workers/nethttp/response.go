package nethttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
	"golang.org/x/net/http/httpguts"
)

// bufferSize is how much content is held back: a response that ends within it
// gets a Content-Length. It is more than what http.DetectContentType looks at.
const bufferSize = 4 << 10

// response is the http.ResponseWriter of a call.
type response struct {
	call    *workers.Call
	request *http.Request
	header  http.Header

	status  int           // 0 until WriteHeader
	fields  asteri.Header // header as it was at WriteHeader
	length  int64         // Content-Length that the handler gave; -1: none
	sniff   bool          // there may be a Content-Type to find
	trailer []string      // names announced
	trails  bool          // there may be trailer fields

	started  bool // the head was sent
	buf      []byte
	written  int64
	hijacked *hijacked   // nil until Hijack
	closing  <-chan bool // of CloseNotify
}

var (
	_ http.Flusher    = (*response)(nil)
	_ http.Hijacker   = (*response)(nil)
	_ io.StringWriter = (*response)(nil)
	_ io.ReaderFrom   = (*response)(nil)
)

func newResponse(c *workers.Call, r *http.Request) *response {
	return &response{call: c, request: r, header: make(http.Header), length: -1}
}

// Header returns the header to be sent by the next WriteHeader, and after that
// the trailer fields.
func (w *response) Header() http.Header { return w.header }

// WriteHeader sends an interim response, or notes the status and the present
// header for the final one.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case w.hijacked != nil || w.status != 0:
		return
	case status == http.StatusContinue:
		_ = w.call.Continue() // the session knows whether the client waits for it
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.inform(status)
	default:
		w.setHead(status)
	}
}

func (w *response) inform(status int) {
	h := new(asteri.Header)
	appendFields(h, w.header, func(name string) bool {
		return name == "Content-Length" || connectionFields[name]
	})
	_ = w.call.Inform(status, h) // if the client has gone, the handler will learn it
}

func (w *response) setHead(status int) {
	w.status = status
	content := w.hasContent()
	w.trailer = trailerNames(w.header)
	w.trails = len(w.header["Trailer"]) > 0
	appendFields(&w.fields, w.header, func(name string) bool {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.trails = true
			return true
		}
		return connectionFields[name] && (name != "Upgrade" || status != http.StatusSwitchingProtocols) ||
			name == "Content-Length" ||
			name == "Content-Type" && status == http.StatusNotModified
	})
	w.sniff = content && w.header["Content-Type"] == nil && w.header.Get("Content-Encoding") == ""
	if _, unwanted := w.header["Content-Type"]; unwanted {
		w.sniff = false // a nil value asks for none
	}
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 && content {
		w.length = n
		w.fields.AddInt("Content-Length", n)
	}
	if httpguts.HeaderValuesContainsToken(w.header["Connection"], "close") && w.request.ProtoMajor == 1 {
		w.fields.Add("Connection", "close")
	}
}

// hasContent tells whether the status allows content (RFC 9110 section 6.4.1).
func (w *response) hasContent() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// Write sends p as content, after what WriteHeader noted, or 200.
func (w *response) Write(p []byte) (int, error) {
	if err := w.admit(len(p)); err != nil {
		return 0, err
	}
	if len(w.buf)+len(p) <= bufferSize {
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	if err := w.flush(p); err != nil {
		return 0, err
	}
	return w.call.Write(p)
}

// WriteString is Write for a string.
func (w *response) WriteString(s string) (int, error) {
	if err := w.admit(len(s)); err != nil {
		return 0, err
	}
	if len(w.buf)+len(s) <= bufferSize {
		w.buf = append(w.buf, s...)
		return len(s), nil
	}
	p := []byte(s)
	if err := w.flush(p); err != nil {
		return 0, err
	}
	return w.call.Write(p)
}

// admit checks that n more bytes of content may be written.
func (w *response) admit(n int) error {
	if w.hijacked != nil {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.setHead(http.StatusOK)
	}
	switch {
	case n == 0:
		return nil
	case !w.hasContent():
		return http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(n) > w.length:
		return http.ErrContentLength
	}
	w.written += int64(n)
	return nil
}

// flush sends the head and what is held back. more is the content that comes
// next.
func (w *response) flush(more []byte) error {
	if !w.started {
		w.findType(more)
		w.started = true
		if err := w.call.Start(w.status, &w.fields); err != nil {
			return err
		}
	}
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.call.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// findType sets the Content-Type that the content suggests.
func (w *response) findType(more []byte) {
	const looksAt = 512 // what DetectContentType looks at
	if !w.sniff || len(w.buf)+len(more) == 0 {
		return
	}
	w.sniff = false
	head := w.buf
	if len(head) < looksAt && len(more) > 0 {
		head = append(head[:len(head):len(head)], more[:min(len(more), looksAt)]...)
	}
	w.fields.Add("Content-Type", http.DetectContentType(head))
}

// Flush sends what is held back.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush with an error. http.ResponseController uses it.
func (w *response) FlushError() error {
	if w.hijacked != nil {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.setHead(http.StatusOK)
	}
	return w.flush(nil)
}

// SetReadDeadline sets the time at which reading the body ends.
func (w *response) SetReadDeadline(t time.Time) error { return w.call.SetReadDeadline(t) }

// SetWriteDeadline sets the time at which waiting for a slow client ends.
func (w *response) SetWriteDeadline(t time.Time) error { return w.call.SetWriteDeadline(t) }

// EnableFullDuplex has nothing to do: reading and writing do not depend on each
// other.
func (w *response) EnableFullDuplex() error { return nil }

// CloseNotify returns a channel that gets a value when the client has gone.
//
// Deprecated: handlers should use the request's context. Some wrappers of
// ResponseWriters demand this method.
func (w *response) CloseNotify() <-chan bool {
	if w.closing == nil {
		gone := make(chan bool, 1)
		w.closing = gone
		ctx := w.request.Context()
		go func() {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), context.Canceled) { // not by the handler's end
				gone <- true
			}
		}()
	}
	return w.closing
}

// finish ends the response of a handler that has returned.
func (w *response) finish() {
	if w.hijacked != nil {
		w.hijacked.settled()
		return
	}
	if w.status == 0 {
		w.setHead(http.StatusOK)
	}
	switch {
	case w.started:
		_ = w.flush(nil)
	case w.respondWhole():
		w.findType(nil)
		_ = w.call.Respond(w.status, &w.fields, w.buf)
		return
	default:
		_ = w.flush(nil)
	}
	_ = w.call.Finish(w.trailerFields())
}

// respondWhole tells whether the response is complete and its length is to be
// announced. A handler that wrote nothing in answer to HEAD may have meant any
// length.
func (w *response) respondWhole() bool {
	return w.length < 0 && !w.trails && w.hasContent() && (len(w.buf) > 0 || w.request.Method != http.MethodHead)
}

// trailerFields returns the trailer fields that the handler has set: those it
// announced, and those marked by http.TrailerPrefix.
func (w *response) trailerFields() *asteri.Header {
	fields := make(http.Header)
	for _, name := range w.trailer {
		fields[name] = w.header[name]
	}
	for name, values := range w.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			fields[name] = values
		}
	}
	if len(fields) == 0 {
		return nil
	}
	h := new(asteri.Header)
	appendFields(h, fields, func(name string) bool { return !httpguts.ValidTrailerHeader(name) })
	return h
}

// Hijack takes the connection over; see the package comment.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked != nil {
		return nil, nil, http.ErrHijacked
	}
	h := newHijacked(w)
	if w.status != 0 {
		if err := h.begin(); err != nil {
			return nil, nil, err
		}
	}
	w.hijacked = h
	return h, bufio.NewReadWriter(bufio.NewReader(h), bufio.NewWriter(h)), nil
}
