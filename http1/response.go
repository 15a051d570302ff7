package http1

import (
	"errors"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
)

// Inform sends an interim response.
func (x *exchange) Inform(status int, h *asteri.Header) error {
	guard.Owned(x.home)
	switch {
	case x.over:
		return asteri.ErrClosed
	case x.started:
		return httpfield.Misuse("interim response after the final one")
	case status < 100 || status > 199 || status == 101:
		return httpfield.Misuse("status " + strconv.Itoa(status) + " is not an interim one")
	case !x.modern:
		return nil
	}
	at := x.session.at
	var facts httpfield.ResponseFacts
	b, err := appendFields(append(at.buf[:0], statusLines[status-100]...), h, &facts)
	switch {
	case err != nil:
		return err
	case facts.Length != httpfield.LengthUnknown || facts.Close || facts.Upgrade:
		return httpfield.Misuse("field that may not stand in an interim response")
	}
	if status == 100 {
		x.expects100 = false
	}
	b = append(b, '\r', '\n')
	x.send(b)
	at.putBuf(b)
	return nil
}

// Start begins the final response.
func (x *exchange) Start(status int, h *asteri.Header) error {
	guard.Owned(x.home)
	if err := x.mayStart(); err != nil {
		return x.mistake(err)
	}
	at := x.session.at
	b, err := x.appendHead(at.buf[:0], status, h, httpfield.LengthUnknown)
	if err != nil {
		return x.mistake(err)
	}
	x.started = true
	x.begun = x.home.Now()
	if at.settings.Observer != nil {
		x.header.CopyFrom(h)
	}
	x.send(b)
	at.putBuf(b)
	return nil
}

func (x *exchange) mayStart() error {
	switch {
	case x.over:
		return asteri.ErrClosed
	case x.started:
		return httpfield.Misuse("response has begun already")
	}
	return nil
}

// oneWrite is the size up to which content is put behind its head or its chunk
// size before it is queued: copying it twice is cheaper than queueing twice.
const oneWrite = 4 << 10

// Respond answers with a body that is known as a whole.
func (x *exchange) Respond(status int, h *asteri.Header, body []byte) error {
	guard.Owned(x.home)
	if err := x.mayStart(); err != nil {
		return x.mistake(err)
	}
	at := x.session.at
	b, err := x.appendHead(at.buf[:0], status, h, int64(len(body)))
	if err != nil {
		return x.mistake(err)
	}
	x.started = true
	x.left = 0
	x.content = int64(len(body))
	whole := x.framing != frameNone && len(body) <= oneWrite
	if whole {
		b = append(b, body...)
	}
	x.send(b)
	at.putBuf(b)
	if !whole && x.framing != frameNone {
		x.send(body)
	}
	x.end(h, nil)
	return nil
}

// send queues bytes for the client.
func (x *exchange) send(p []byte) (queued int) {
	x.sent += int64(len(p))
	return x.session.wrote(x.session.conn.Write(p))
}

// Write queues content.
func (x *exchange) Write(p []byte) (queued int, err error) {
	guard.Owned(x.home)
	if err := x.account(int64(len(p))); err != nil {
		return 0, err
	}
	if x.session.high && x.session.conn.Full() {
		return 0, x.mistake(httpfield.ErrQueueFull)
	}
	switch {
	case len(p) == 0 || x.framing == frameNone:
		return x.session.conn.Queued(), nil
	case x.framing != frameChunked:
		return x.send(p), nil
	}
	at := x.session.at
	b := appendChunkSize(at.buf[:0], int64(len(p)))
	if len(p) <= oneWrite {
		b = append(b, p...)
		b = append(b, '\r', '\n')
		queued = x.send(b)
	} else {
		x.send(b)
		x.send(p)
		queued = x.send(crlf)
	}
	at.putBuf(b)
	return queued, nil
}

var crlf = []byte("\r\n")

func appendChunkSize(b []byte, n int64) []byte {
	b = strconv.AppendInt(b, n, 16)
	return append(b, '\r', '\n')
}

// account counts n bytes of content, and ends the exchange if they are more than
// the response announced.
func (x *exchange) account(n int64) error {
	switch {
	case x.over:
		return asteri.ErrClosed
	case !x.started:
		return httpfield.Misuse("content before the response has begun")
	case x.framing == frameLength && n > x.left:
		return x.mistake(httpfield.Misuse("more content than the Content-Length"))
	}
	x.content += n
	if x.framing == frameLength {
		x.left -= n
	}
	return nil
}

// SendFile queues a part of a file as content.
func (x *exchange) SendFile(f asteri.File, off, n int64) error {
	guard.Owned(x.home)
	if f == nil {
		return httpfield.ErrNoFile
	}
	err := httpfield.CheckRange(off, n)
	if err == nil {
		err = x.account(n)
	}
	if err != nil || n == 0 || x.framing == frameNone {
		return errors.Join(err, f.Close())
	}
	s := x.session
	if x.framing == frameChunked {
		x.send(appendChunkSize(nil, n))
	}
	x.sent += n
	s.wrote(s.conn.SendFile(f, off, n))
	if x.framing == frameChunked {
		x.send(crlf)
	}
	return nil
}

// Finish ends the response.
func (x *exchange) Finish(trailer *asteri.Header) error {
	guard.Owned(x.home)
	switch {
	case x.over:
		return asteri.ErrClosed
	case !x.started:
		return x.mistake(httpfield.Misuse("handler finished without a response"))
	case x.framing == frameLength && x.left > 0:
		return x.mistake(httpfield.Misuse("less content than the Content-Length"))
	}
	if x.framing == frameChunked {
		at := x.session.at
		b, err := appendTrailer(at.buf[:0], trailer)
		if err != nil {
			return x.mistake(err)
		}
		x.send(b)
		at.putBuf(b)
	}
	x.end(&x.header, nil)
	return nil
}

// appendTrailer appends the last chunk and the trailer section. Fields that
// would frame or route a message may not stand there (RFC 9110 section 6.5.1).
func appendTrailer(b []byte, trailer *asteri.Header) ([]byte, error) {
	b = append(b, "0\r\n"...)
	var facts httpfield.ResponseFacts
	b, err := appendFields(b, trailer, &facts)
	switch {
	case err != nil:
		return b, err
	case facts.Length != httpfield.LengthUnknown, facts.Close, facts.Upgrade, trailer.Has("Host"), trailer.Has("Trailer"):
		return b, httpfield.Misuse("field that may not stand in a trailer")
	}
	return append(b, '\r', '\n'), nil
}
