package httpfield

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
)

// LengthUnknown stands for a Content-Length that nobody gave.
const LengthUnknown = -1

// HasContent tells whether responses with this status have content, RFC 9110
// section 6.4.1. Reset Content (205) has none either.
func HasContent(status int) bool {
	return status >= 200 && status != 204 && status != 205 && status != 304
}

// ResponseFacts is what the fields of a response say that matters to the
// protocol. Length is to be LengthUnknown at first.
type ResponseFacts struct {
	Length  int64
	Date    bool
	Server  bool
	AltSvc  bool
	Close   bool // the application asks for the connection to be closed
	Upgrade bool // there is an Upgrade field
}

// Check refuses a field that an application may not send, and takes account of
// one that matters. own says that the protocol writes the field itself, or not at
// all: Content-Length, and Connection, of which only "close" is taken.
func (facts *ResponseFacts) Check(f asteri.Field) (own bool, err error) {
	switch {
	case !IsToken(f.Name):
		return false, MisuseOf("invalid field name", f.Name)
	case !IsValue(f.Value):
		return false, MisuseOf("control character in a field value", f.Name)
	case isConnectionField(f.Name):
		return false, ErrConnectionField(f.Name)
	}
	switch len(f.Name) {
	case len("date"):
		facts.Date = facts.Date || FoldIs(f.Name, "date")
	case len("server"):
		facts.Server = facts.Server || FoldIs(f.Name, "server")
	case len("alt-svc"): // and upgrade
		facts.AltSvc = facts.AltSvc || FoldIs(f.Name, "alt-svc")
		facts.Upgrade = facts.Upgrade || FoldIs(f.Name, "upgrade")
	case len("connection"):
		if FoldIs(f.Name, "connection") {
			if !FoldIs(f.Value, "close") {
				return false, ErrConnectionField(f.Name)
			}
			facts.Close = true
			return true, nil
		}
	case len("content-length"):
		if FoldIs(f.Name, "content-length") {
			return true, facts.noteLength(f)
		}
	}
	return false, nil
}

func (facts *ResponseFacts) noteLength(f asteri.Field) error {
	if facts.Length != LengthUnknown {
		return MisuseOf("second Content-Length", f.Name)
	}
	n, ok := ParseLength(f.Value)
	if !ok || n < 0 {
		return MisuseOf("invalid Content-Length", f.Name)
	}
	facts.Length = n
	return nil
}

// isConnectionField tells whether a field speaks about the connection, which is
// not the application's business (RFC 9110 section 7.6.1). Two more do that and
// are judged where they stand: an application may ask for the connection to be
// closed, and it names protocols in an upgrade, or in 426 (Upgrade Required).
func isConnectionField(name []byte) bool {
	switch len(name) {
	case len("te"):
		return FoldIs(name, "te")
	case len("keep-alive"):
		return FoldIs(name, "keep-alive")
	case len("proxy-connection"):
		return FoldIs(name, "proxy-connection")
	case len("transfer-encoding"):
		return FoldIs(name, "transfer-encoding")
	}
	return false
}

// ErrConnectionField is the refusal of a field that speaks about the connection.
func ErrConnectionField(name []byte) error {
	return &asteri.ResponseError{Reason: "field is about the connection", Name: string(name)}
}

// Misuse is a mistake of the application in its response.
func Misuse(reason string) *asteri.ResponseError {
	return &asteri.ResponseError{Reason: reason}
}

// Mistakes with what is sent that all protocols know.
var (
	// ErrQueueFull ends the response of a handler that writes on though its client does
	// not read: loop.Config.MaxQueued.
	ErrQueueFull error = Misuse("content beyond what may be queued for a client that does not read: a handler waits for OnDrain from HighWater on")
	// ErrNoFile refuses a file that is nil.
	ErrNoFile error = Misuse("file that is nil")
)

// CheckRange refuses what is no range of a file.
func CheckRange(off, n int64) error {
	if off < 0 || n < 0 {
		return Misuse("file range of negative offset or length")
	}
	return nil
}

// MisuseOf is Misuse for a field.
func MisuseOf(reason string, name []byte) *asteri.ResponseError {
	return &asteri.ResponseError{Reason: reason, Name: string(name)}
}

// RefusalOf is how an exchange is answered that was aborted with cause before its response
// began. If that is not asked for, it is an internal error, or
// StatusClientClosed where the client has closed its side, who most likely reads nothing
// any more.
func RefusalOf(cause error) (refusal *asteri.StatusError, asked bool) {
	if errors.As(cause, &refusal) && refusal.Code >= 400 && refusal.Code <= 599 {
		return refusal, true
	}
	if errors.Is(cause, asteri.ErrHalfClosed) || errors.Is(cause, asteri.ErrClientGone) {
		return &asteri.StatusError{Code: asteri.StatusClientClosed, Reason: "client closed request"}, false
	}
	return &asteri.StatusError{Code: http.StatusInternalServerError}, false
}

// RefusalText is what a client gets to read of a refusal. Reasons are for the
// client only if the fault is its own.
func RefusalText(e *asteri.StatusError) string {
	text := strings.TrimRight(strconv.Itoa(e.Code)+" "+http.StatusText(e.Code), " ")
	if e.Code < 500 && e.Reason != "" {
		text += ": " + e.Reason
	}
	return text + "\n"
}

// ErrMemory answers a request whose client holds more memory than others, when there is
// too little of it.
var ErrMemory = &asteri.StatusError{Code: 503, Reason: "the server is short of memory", RetryAfter: 1}

// Date makes the value of the Date field. The zero value is ready; it belongs to
// one goroutine.
type Date struct {
	value  []byte
	second int64
}

// At returns the value for now, which is made once a second. It lives until the
// next call.
func (d *Date) At(now time.Time) []byte {
	if s := now.Unix(); s != d.second || d.value == nil {
		d.second = s
		d.value = now.UTC().AppendFormat(d.value[:0], http.TimeFormat)
	}
	return d.value
}
