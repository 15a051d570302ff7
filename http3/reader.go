package http3

import (
	"errors"
	"io"
	"time"

	"github.com/quic-go/quic-go/quicvarint"
)

// now is the time for goroutines that are not a home.
func now() time.Time { return time.Now() }

// reader reads the frames of one request stream.
type reader struct {
	str   io.Reader
	buf   []byte // what was read and not yet used is buf[from:]
	from  int
	eof   bool
	waits func() // is called before str is read, which may take time
}

// readerBuffer holds the head of nearly every request, in bytes; maxReaderBuffer
// bounds what is kept for the next one.
const (
	readerBuffer    = 2 << 10
	maxReaderBuffer = 8 << 10
)

func (r *reader) reset(str io.Reader) {
	if cap(r.buf) > maxReaderBuffer {
		r.buf = nil
	}
	r.str = str
	r.buf, r.from, r.eof = r.buf[:0], 0, false
}

// rest returns what was read and not yet used.
func (r *reader) rest() []byte { return r.buf[r.from:] }

// fill reads more behind rest. It returns io.EOF only if there was nothing more. The
// buffer grows as bytes come, never because a frame says that it is long.
func (r *reader) fill() error {
	if r.eof {
		return io.EOF
	}
	r.waits()
	if r.from > 0 {
		r.buf = append(r.buf[:0], r.rest()...)
		r.from = 0
	}
	if size := len(r.buf); size == cap(r.buf) {
		r.buf = append(make([]byte, 0, max(2*size, readerBuffer)), r.buf...)
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
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && len(r.rest()) > 0 {
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
		if err := r.fill(); err != nil {
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
			if err := r.fill(); err != nil {
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
	if errors.Is(err, io.EOF) {
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
		switch {
		case h.kind.isKnown():
			return h, connError{codeFrameUnexpected, h.kind.String() + " on a request stream"}
		case h.kind.isOld():
			return h, errOldFrame
		}
		if h.length > maxSkipped || skipped+h.length+skipCost > maxSkipped {
			return h, connError{codeExcessiveLoad, "too many frames of unknown types"}
		}
		skipped += h.length + skipCost
		if err := r.skip(h.length); err != nil {
			return h, err
		}
	}
}

var errOldFrame = connError{codeFrameUnexpected, "frame of HTTP/2"}

// maxSkipped bounds the bytes that are skipped between two frames of a request, each
// frame counting for skipCost more.
const (
	maxSkipped = 64 << 10
	skipCost   = 64
)

// frameHeader is the head of a frame.
type frameHeader struct {
	kind   frameType
	length uint64
}

// parseFrameHeader reads a frame header at the beginning of p; size is 0 if it is
// not complete.
func parseFrameHeader(p []byte) (h frameHeader, size int) {
	if len(p) >= 2 && p[0] < 0x40 && p[1] < 0x40 { // RFC 9000 section 16: one byte each
		return frameHeader{frameType(p[0]), uint64(p[1])}, 2
	}
	kind, n, err := quicvarint.Parse(p)
	if err != nil {
		return h, 0
	}
	length, m, err := quicvarint.Parse(p[n:])
	if err != nil {
		return h, 0
	}
	return frameHeader{frameType(kind), length}, n + m
}
