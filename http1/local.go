package http1

import (
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/loop"
)

// local is what the sessions of one protocol on one loop share. It belongs to
// the loop's goroutine.
//
// Requests are mostly parsed and answered within one call of OnData, so one
// spare head and one spare transaction serve nearly all of them, and an idle
// connection holds neither. There are more spare transactions where handlers answer
// later and release them: as many as were in flight at once.
type local struct {
	*exchange.Local
	loop    *loop.Loop
	gateway Gateway // nil for HTTP itself

	spareHead *head
	spares    []*transaction // that nobody refers to; at most maxSpares
	buf       []byte         // response heads are put together here
	composed  []byte         // the one that Compose has begun, in buf
	prepared  prepared
	server    []byte // the Server field line, or empty
	altSvc    []byte // the Alt-Svc field line, or empty
	date      []byte // the Date field line of second
	end       []byte // both, and the end of a head
	second    int64
	length    []byte // the Content-Length field line for lengthOf
	lengthOf  int64
}

const (
	// maxSpare bounds the memory that a spare head, and buf, may keep.
	maxSpare = 16 << 10
	// maxSpares bounds the spare transactions, maxSpareArena the memory of one's head.
	maxSpares     = 128
	maxSpareArena = 2 << 10
)

func newLocal(s *asteri.Settings, l *loop.Loop) *local {
	at := &local{Local: exchange.NewLocal(s, l), loop: l, second: -1, lengthOf: httpfield.LengthUnknown}
	if s.Server != "" {
		at.server = []byte("Server: " + s.Server + "\r\n")
	}
	if s.AltSvc != "" {
		at.altSvc = []byte("Alt-Svc: " + s.AltSvc + "\r\n")
	}
	return at
}

func (at *local) takeHead() *head {
	h := at.spareHead
	if h == nil {
		return new(head)
	}
	at.spareHead = nil
	return h
}

func (at *local) putHead(h *head) {
	if cap(h.fields) <= maxSpare/16 {
		at.spareHead = h
	}
}

func (at *local) takeTransaction() *transaction {
	n := len(at.spares)
	if n == 0 {
		return new(transaction)
	}
	x := at.spares[n-1]
	at.spares = at.spares[:n-1]
	return x
}

// putTransaction takes back one that nobody else refers to.
func (at *local) putTransaction(x *transaction) {
	if !x.Retire() {
		return
	}
	x.session = nil
	if arena := x.Spare(); len(at.spares) == 0 && arena <= maxSpare || len(at.spares) < maxSpares && arena <= maxSpareArena {
		at.spares = append(at.spares, x)
	}
}

// putBuf takes back the buffer that was begun as at.buf[:0].
func (at *local) putBuf(b []byte) {
	if cap(b) <= maxSpare {
		at.buf = b
	}
}

// tellTime makes the Date field line, once a second.
func (at *local) tellTime() {
	if now := at.loop.Now(); now.Unix() != at.second {
		at.second = now.Unix()
		at.date = append(at.date[:0], "Date: "...)
		at.date = now.UTC().AppendFormat(at.date, http.TimeFormat)
		at.date = append(at.date, "\r\n"...)
		at.end = append(at.end[:0], at.server...)
		at.end = append(at.end, at.date...)
		at.end = append(at.end, "\r\n"...)
	}
}

// appendEnd appends what the server says of itself, and the end of the head. secure
// says that the client may believe it where else the server is (RFC 7838 section 2.1).
func (at *local) appendEnd(b []byte, facts *httpfield.ResponseFacts, secure bool) []byte {
	at.tellTime()
	if secure && !facts.AltSvc {
		b = append(b, at.altSvc...)
	}
	if !facts.Server && !facts.Date {
		return append(b, at.end...)
	}
	if !facts.Server {
		b = append(b, at.server...)
	}
	if !facts.Date {
		b = append(b, at.date...)
	}
	return append(b, "\r\n"...)
}

// lengthLine returns the Content-Length field line for n, which is mostly what
// it was the last time.
func (at *local) lengthLine(n int64) []byte {
	if n != at.lengthOf {
		at.lengthOf = n
		at.length = append(at.length[:0], "Content-Length: "...)
		at.length = strconv.AppendInt(at.length, n, 10)
		at.length = append(at.length, "\r\n"...)
	}
	return at.length
}
