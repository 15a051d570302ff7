package http3

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/quic-go/qpack"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// read is the goroutine of a request stream: it reads the head, posts the request
// home, and goes on with the content.
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
	st.x.Init(st.session.at.Local, st, asteri.HTTP3, st.session.peer())
	st.head = heads.Get().(*httpfield.RequestHead)
	st.x.Head(st.head)
	limit := st.session.timeouts().Header
	if limit > 0 {
		_ = st.str.SetReadDeadline(now().Add(limit))
	}
	err := st.readSection()
	if isLate(err) {
		st.refuseHead(408, "head did not arrive in time")
		return nil
	}
	if err != nil || st.unread {
		return err
	}
	st.headEnds = st.in.ended()
	if limit > 0 && !st.headEnds {
		_ = st.str.SetReadDeadline(time.Time{})
	}
	if st.refusal, err = st.head.End(st.headEnds, true); err != nil {
		return streamError{codeMessage, err.Error()}
	}
	st.markEarly()
	return nil
}

// refuseHead is for a head that is not read to its end.
func (st *serverStream) refuseHead(code int, reason string) {
	st.refusal, st.unread = &asteri.StatusError{Code: code, Reason: reason}, true
}

func isLate(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// headLimit is what a header section may take on the wire, in bytes.
func (n *session) headLimit() uint64 {
	return uint64(min(n.server.settings.Limits.Head, 1<<30))
}

// readSection reads the header section of the request.
func (st *serverStream) readSection() error {
	h, err := st.in.next()
	switch {
	case errors.Is(err, io.EOF):
		return streamError{codeRequestIncomplete, "stream ends before the request"}
	case err != nil:
		return err
	case h.kind == frameData:
		return connError{codeFrameUnexpected, "DATA before HEADERS"}
	}
	limit := st.session.headLimit()
	if h.length > limit {
		st.refuseHead(431, "head is too long")
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
	if st.refusal != nil || !st.session.inEarlyData() {
		return
	}
	r := st.x.Request()
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE": // RFC 9110 section 9.2.1
		if !r.Header.Has("early-data") {
			r.Header.Add("early-data", "1")
		}
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
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return connError{codeQPACKDecompression, err.Error()}
		}
		head.Add(f.Name, f.Value)
		if exchange.Expands(head, int(limit)) {
			return connError{codeExcessiveLoad, "header section expands too much"}
		}
	}
}

// decoder has no state: there is no dynamic table.
var decoder = qpack.NewDecoder()

// readContent reads what follows the head and posts it home, until the stream ends
// in one way or the other.
func (st *serverStream) readContent() {
	trailer, err := st.readFrames()
	st.passOn()
	var broken connError
	switch {
	case err == nil:
		st.post(func() { st.inputEnded(trailer) })
		return
	case errors.As(err, &broken):
		st.session.fail(broken)
	default:
		st.cancelRead(streamCode(err, codeNo))
	}
	st.post(func() { st.inputFailed(err) })
}

// readFrames reads DATA frames and a trailer section, which may be missing.
func (st *serverStream) readFrames() (trailer *asteri.Header, err error) {
	for {
		h, err := st.in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, err
		case h.kind == frameHeaders:
			return st.readTrailer(h)
		}
		if err := st.readData(h.length); err != nil {
			return nil, err
		}
	}
}

// readData reads the payload of a DATA frame as far as the window of the exchange
// admits.
func (st *serverStream) readData(left uint64) error {
	for left > 0 {
		if st.piece == nil {
			if err := st.takePiece(); err != nil {
				return err
			}
		}
		p := st.piece
		if p.n > 0 && len(st.in.rest()) == 0 { // what follows may take time
			st.passOn()
			continue
		}
		n, err := st.in.some(p.data[p.n:p.room], left)
		p.n += n
		left -= uint64(n)
		if p.n == p.room {
			st.passOn()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readTrailer reads a trailer section and the end of the stream.
func (st *serverStream) readTrailer(h frameHeader) (*asteri.Header, error) {
	limit := st.session.headLimit()
	if h.length > limit {
		return nil, connError{codeExcessiveLoad, "trailer section is too long"}
	}
	p, err := st.in.payload(int(h.length))
	if err != nil {
		return nil, err
	}
	head, trailer := heads.Get().(*httpfield.RequestHead), new(asteri.Header)
	defer heads.Put(head)
	head.BeginTrailer(trailer, &st.session.server.settings.Limits)
	if err := decodeFields(head, p, limit); err != nil {
		return nil, err
	}
	refusal, err := head.EndTrailer()
	switch {
	case err != nil:
		return nil, streamError{codeMessage, err.Error()}
	case refusal != nil:
		return nil, streamError{codeExcessiveLoad, refusal.Reason}
	}
	switch h, err := st.in.next(); {
	case err == nil:
		return nil, connError{codeFrameUnexpected, h.kind.String() + " behind the trailer section"}
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return trailer, nil
}

// piece is some content on its way from a reader to its home.
type piece struct {
	data   [pieceSize]byte
	n      int
	room   int // of the window, taken for it
	st     *serverStream
	arrive func() // land
}

// pieceSize is how much of a request's content is read and posted at a time.
const pieceSize = 16 << 10

// land delivers the piece at home.
func (p *piece) land() {
	st := p.st
	defer func() { // also behind a sink that ends the goroutine
		p.giveBack()
		st.window.landed(0)
	}()
	st.received(p.data[:p.n])
}

// takePiece waits for room in the window.
func (st *serverStream) takePiece() error {
	room, err := st.window.take(st.session.conn.Context(), pieceSize)
	if err != nil {
		return err
	}
	p, ok := pieces.Get().(*piece)
	if !ok {
		p = new(piece)
		p.arrive = p.land
	}
	p.n, p.room, p.st = 0, room, st
	st.session.Reserve(pieceSize)
	st.piece = p
	return nil
}

// giveBack lets go of a piece.
func (p *piece) giveBack() {
	p.st.session.Reserve(-pieceSize)
	p.st = nil
	pieces.Put(p)
}

// passOn posts home what was read.
func (st *serverStream) passOn() {
	p := st.piece
	if p == nil {
		return
	}
	st.piece = nil
	if p.n > 0 {
		st.window.give(p.room - p.n)
		if st.post(p.arrive) {
			return
		}
		st.window.close() // the loop has ended
	}
	unused := p.room - p.n
	p.giveBack()
	st.window.landed(unused)
}
