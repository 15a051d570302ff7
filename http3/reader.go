package http3

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/httpfield"
)

// now is the time for goroutines that are not a home.
func now() time.Time { return time.Now() }

// reader reads the frames of one request stream, on a goroutine of its own.
type reader struct {
	str  *quic.Stream
	buf  []byte // what was read and not yet used is buf[from:]
	from int
	eof  bool
}

// readerBuffer holds the head of nearly every request, in bytes.
const readerBuffer = 2 << 10

func (r *reader) reset(str *quic.Stream) {
	r.str = str
	r.buf, r.from, r.eof = r.buf[:0], 0, false
}

// rest returns what was read and not yet used.
func (r *reader) rest() []byte { return r.buf[r.from:] }

// fill reads more behind rest, of which there will be size bytes at most. It
// returns io.EOF only if there was nothing more.
func (r *reader) fill(size int) error {
	if r.eof {
		return io.EOF
	}
	if r.from > 0 {
		r.buf = append(r.buf[:0], r.rest()...)
		r.from = 0
	}
	size = max(size, readerBuffer)
	if cap(r.buf) < size {
		r.buf = append(make([]byte, 0, size), r.buf...)
	}
	n, err := r.str.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if err == io.EOF {
		r.eof = true
		if n > 0 {
			err = nil
		}
	}
	return err
}

// ended tells whether it is known that nothing follows.
func (r *reader) ended() bool { return r.eof && r.from == len(r.buf) }

// header reads a frame header. io.EOF says that the stream ended before it.
func (r *reader) header() (frameHeader, error) {
	for {
		if h, size := parseFrameHeader(r.rest()); size > 0 {
			r.from += size
			return h, nil
		}
		if err := r.fill(0); err != nil {
			if err == io.EOF && len(r.rest()) > 0 {
				err = errCut
			}
			return frameHeader{}, err
		}
	}
}

// errCut is for a stream that ends within a frame, RFC 9114 section 7.1.
var errCut = connError{codeFrame, "stream ends within a frame"}

// payload reads a whole payload. It is valid until more is read.
func (r *reader) payload(length int) ([]byte, error) {
	for len(r.rest()) < length {
		if err := r.fill(length); err != nil {
			return nil, cut(err)
		}
	}
	p := r.rest()[:length]
	r.from += length
	return p, nil
}

// some reads a part of a payload of which left bytes are to come, into p.
func (r *reader) some(p []byte, left uint64) (int, error) {
	if uint64(len(p)) > left {
		p = p[:left]
	}
	if kept := r.rest(); len(kept) > 0 {
		n := copy(p, kept)
		r.from += n
		return n, nil
	}
	if r.eof {
		return 0, errCut
	}
	n, err := r.str.Read(p)
	if err == io.EOF {
		r.eof = true
		err = nil
		if n == 0 {
			err = errCut
		}
	}
	return n, err
}

// skip passes over a payload.
func (r *reader) skip(length uint64) error {
	for length > 0 {
		if len(r.rest()) == 0 {
			if err := r.fill(0); err != nil {
				return cut(err)
			}
		}
		n := min(uint64(len(r.rest())), length)
		r.from += int(n)
		length -= n
	}
	return nil
}

func cut(err error) error {
	if err == io.EOF {
		return errCut
	}
	return err
}

// next reads frame headers up to one of DATA or HEADERS. Others are skipped if they
// may be there, as far as that is not a way to keep us busy.
func (r *reader) next() (frameHeader, error) {
	for skipped := uint64(0); ; {
		h, err := r.header()
		if err != nil || h.kind == frameData || h.kind == frameHeaders {
			return h, err
		}
		if isControlFrame(h.kind) && h.kind != framePriorityUpdate || h.kind == framePushPromise || h.kind.isOld() {
			return h, connError{codeFrameUnexpected, "frame does not belong on a request stream"}
		}
		if skipped += h.length + 64; skipped > maxSkipped {
			return h, connError{codeExcessiveLoad, "too many frames of unknown types"}
		}
		if err := r.skip(h.length); err != nil {
			return h, err
		}
	}
}

// maxSkipped bounds the bytes that are skipped between two frames of a request.
const maxSkipped = 64 << 10

// read is the goroutine of a request stream.
func (st *serverStream) read() {
	if err := st.readHead(); err != nil {
		st.refuseStream(err)
		return
	}
	more := !st.headEnds && !st.unread
	if st.post(st.serveOnHome) && more { // else st is no longer the reader's
		st.readContent()
	}
}

// readHead reads the head of the request and prepares the exchange.
func (st *serverStream) readHead() error {
	st.Init(st.session.at.Local, st, asteri.HTTP3, &st.session.peer)
	st.head = heads.Get().(*httpfield.RequestHead)
	st.Head(st.head)
	if limit := st.session.timeouts().Header; limit > 0 {
		_ = st.str.SetReadDeadline(now().Add(limit))
	}
	err := st.readSection()
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		st.refusal, st.unread = &asteri.StatusError{Code: 408, Reason: "head did not arrive in time"}, true
		err = nil
	}
	if err != nil || st.unread {
		return err
	}
	_ = st.str.SetReadDeadline(time.Time{})
	st.headEnds = st.in.ended()
	if st.refusal, err = st.head.End(st.headEnds, true); err != nil {
		return streamError{codeMessage, err.Error()}
	}
	st.markEarly()
	return nil
}

// readSection reads the header section of the request.
func (st *serverStream) readSection() error {
	h, err := st.in.next()
	switch {
	case err == io.EOF:
		return streamError{codeRequestIncomplete, "stream ends before the request"}
	case err != nil:
		return err
	case h.kind == frameData:
		return connError{codeFrameUnexpected, "DATA before HEADERS"}
	}
	limit := uint64(min(st.session.server.settings.Limits.Head, 1<<30))
	if h.length > limit {
		st.refusal, st.unread = &asteri.StatusError{Code: 431, Reason: "head is too long"}, true
		return nil
	}
	p, err := st.in.payload(int(h.length))
	if err != nil {
		return err
	}
	return decodeFields(st.head, p, limit)
}

// markEarly sees to requests that may be a replay, RFC 8470 section 5.
func (st *serverStream) markEarly() {
	if !st.session.inEarlyData() || st.refusal != nil {
		return
	}
	r := st.Request()
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE": // RFC 9110 section 9.2.1
		r.Header.Add("early-data", "1")
	default:
		st.refusal = &asteri.StatusError{Code: 425, Reason: "request in early data"}
	}
}

// decodeFields decodes a header section. One that expands too much is not decoded to
// its end.
func decodeFields(head *httpfield.RequestHead, p []byte, limit uint64) error {
	next := decoder.Decode(p)
	for {
		f, err := next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return connError{codeQPACKDecompression, err.Error()}
		}
		head.Add(f.Name, f.Value)
		if uint64(head.Size()) > maxExpansion*limit {
			return connError{codeExcessiveLoad, "header section expands too much"}
		}
	}
}

// decoder has no state: there is no dynamic table.
var decoder = qpack.NewDecoder()

// maxExpansion is by how much a header section may exceed the limit and still be
// answered 431.
const maxExpansion = 16

// readContent reads what follows the head and posts it home, until the stream ends
// in one way or the other.
func (st *serverStream) readContent() {
	err := st.readFrames()
	var broken connError
	switch {
	case err == nil:
	case errors.As(err, &broken):
		st.session.fail(broken)
	default:
		st.post(func() { st.inputFailed(err) })
	}
}

// readFrames reads DATA frames and a trailer section.
func (st *serverStream) readFrames() error {
	for {
		h, err := st.in.next()
		switch {
		case err == io.EOF:
			st.post(func() { st.inputEnded(nil) })
			return nil
		case err != nil:
			return err
		case h.kind == frameHeaders:
			return st.readTrailer(h)
		}
		if err := st.readData(h.length); err != nil {
			return err
		}
	}
}

// readData reads the payload of a DATA frame as far as the window of the exchange
// admits.
func (st *serverStream) readData(left uint64) error {
	for left > 0 {
		room, err := st.window.take(pieceSize)
		if err != nil {
			return err
		}
		piece := pieces.Get().(*[pieceSize]byte)
		n, err := st.in.some(piece[:room], left)
		st.window.give(room - n)
		if n == 0 || err != nil {
			pieces.Put(piece)
			if err != nil {
				return err
			}
			continue
		}
		left -= uint64(n)
		if !st.post(func() { st.received(piece, n) }) {
			return asteri.ErrClosed
		}
	}
	return nil
}

func (st *serverStream) readTrailer(h frameHeader) error {
	limit := uint64(min(st.session.server.settings.Limits.Head, 1<<30))
	if h.length > limit {
		return connError{codeExcessiveLoad, "trailer section is too long"}
	}
	p, err := st.in.payload(int(h.length))
	if err != nil {
		return err
	}
	head, trailer := heads.Get().(*httpfield.RequestHead), new(asteri.Header)
	defer heads.Put(head)
	head.BeginTrailer(trailer, &st.session.server.settings.Limits)
	if err := decodeFields(head, p, limit); err != nil {
		return err
	}
	refusal, err := head.EndTrailer()
	switch {
	case err != nil:
		return streamError{codeMessage, err.Error()}
	case refusal != nil:
		return streamError{codeExcessiveLoad, refusal.Reason}
	}
	if h, err := st.in.next(); err == nil {
		return connError{codeFrameUnexpected, "frame of type " + h.kind.String() + " behind the trailer section"}
	} else if err != io.EOF {
		return err
	}
	st.post(func() { st.inputEnded(trailer) })
	return nil
}
