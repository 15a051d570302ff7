package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// Reader reads what a worker sends on its link. What it returns are views into the payload
// that it was given, unless it says that it is a copy.
type Reader struct {
	// ResponseHead bounds the fields of a response: the bytes of names and values, and
	// 4 for each.
	ResponseHead int

	walker marshal.Walker
	header asteri.Header // of the answer being read
}

// anyData is for payloads of heads and bodies, which have bounds of their own: references
// may repeat them, as those of honest workers do.
const anyData = math.MaxInt

// begin begins to read a payload of which data bytes at most are text and bytes.
func (in *Reader) begin(payload []byte, data int) {
	in.walker.Reset(payload, min(len(payload)+1, maxObjects), data)
}

// tuple begins the one tuple of n values that a payload is.
func (in *Reader) tuple(payload []byte, n int64, data int) error {
	in.begin(payload, data)
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.Tuple || v.Int != n {
		return Violation(fmt.Sprintf("not a tuple of %d", n))
	}
	return nil
}

func (in *Reader) int() (int64, error) {
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return 0, err
	}
	if v.Kind != marshal.Int {
		return 0, Violation("not an int")
	}
	return v.Int, nil
}

// text reads a str as valid UTF-8; empty for None, if that may be. It is a copy.
func (in *Reader) text(orNone bool) (string, error) {
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return "", err
	}
	switch {
	case v.Kind == marshal.None && orNone:
		return "", nil
	case v.Kind != marshal.Str:
		return "", Violation("not a str")
	}
	return validText(v.Data), nil
}

// End returns an error unless all of the payload was read.
func (in *Reader) End() error { return in.walker.End() }

// Answers begins an ANSWERS frame and returns how many answers it has. Each is read by
// NextAnswer and Answer, and then the frame's end by End.
func (in *Reader) Answers(payload []byte) (n int64, err error) {
	in.begin(payload, anyData)
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return 0, err
	}
	if v.Kind != marshal.List || v.Int > maxAnswers {
		return 0, Violation("ANSWERS is not a list, or a long one")
	}
	return v.Int, nil
}

// NextAnswer reads which stream the next answer is for, and whether its call goes on.
func (in *Reader) NextAnswer() (stream int64, lingers bool, err error) {
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return 0, false, err
	}
	if v.Kind != marshal.Tuple || v.Int != 4 && v.Int != 5 {
		return 0, false, Violation("answer is not a tuple of 4 or 5")
	}
	lingers = v.Int == 5
	stream, err = in.int()
	return stream, lingers, err
}

// Answer reads the rest of an answer. Its header is valid until the next one is read.
func (in *Reader) Answer(a *Answer, lingers bool) error {
	a.Header = &in.header
	if err := in.status(&a.Head); err != nil {
		return err
	}
	if err := in.fields(&a.Head); err != nil {
		return err
	}
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind != marshal.Bytes || len(v.Data) > maxAnswerBody {
		return Violation("body of an answer is not bytes, or too long")
	}
	a.Body = v.Data
	if lingers {
		return in.walker.Next(&v)
	}
	return nil
}

// Head reads (status, headers).
func (in *Reader) Head(payload []byte) (*Head, error) {
	if err := in.tuple(payload, 2, anyData); err != nil {
		return nil, err
	}
	h := &Head{Header: new(asteri.Header)}
	if err := in.status(h); err != nil {
		return nil, err
	}
	if err := in.fields(h); err != nil {
		return nil, err
	}
	return h, in.walker.End()
}

// Trailers reads headers alone.
func (in *Reader) Trailers(payload []byte) (*Head, error) {
	in.begin(payload, anyData)
	h := &Head{Header: new(asteri.Header)}
	if err := in.fields(h); err != nil {
		return nil, err
	}
	return h, in.walker.End()
}

// Accept reads (subprotocol or None, headers). The head is a copy.
func (in *Reader) Accept(payload []byte) (subprotocol string, h *Head, err error) {
	if err := in.tuple(payload, 2, anyData); err != nil {
		return "", nil, err
	}
	v, err := in.text(true)
	if err != nil {
		return "", nil, err
	}
	h = &Head{Header: new(asteri.Header)}
	if err := in.fields(h); err != nil {
		return "", nil, err
	}
	if len(v)+h.Size > in.ResponseHead {
		h.Invalid = ErrHead
	}
	*h = h.Clone()
	return v, h, in.walker.End()
}

// File reads (None, offset, count).
func (in *Reader) File(payload []byte) (off, n int64, err error) {
	if err := in.tuple(payload, 3, 0); err != nil {
		return 0, 0, err
	}
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return 0, 0, err
	}
	if off, err = in.int(); err != nil {
		return 0, 0, err
	}
	if n, err = in.int(); err != nil {
		return 0, 0, err
	}
	if err := in.walker.End(); err != nil {
		return 0, 0, err
	}
	if v.Kind != marshal.None || off < 0 || n < -1 {
		return 0, 0, Violation("FILE with a path or a negative number")
	}
	return off, n, nil
}

// Window reads how many bytes a WINDOW frame grants, of those that were sent and not granted.
func Window(payload []byte, sent int) (n int, err error) {
	if len(payload) != 4 {
		return 0, Violation("WINDOW is not 4 bytes")
	}
	n = int(binary.LittleEndian.Uint32(payload))
	if n == 0 || n > sent {
		return 0, Violation("WINDOW for what was not sent")
	}
	return n, nil
}

// status reads a status, which comes with a reason phrase if it is text:
// "404 Not here". The phrase is a view into the frame.
func (in *Reader) status(h *Head) error {
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind == marshal.Int {
		h.Status = int(v.Int)
		return nil
	}
	text, ok := h.latin1(&v)
	if v.Kind != marshal.Str || !ok || len(text) > MaxStatus || len(text) < len("200 ") || text[3] != ' ' {
		return Violation("a status is neither an int nor a line")
	}
	for _, c := range text[:3] {
		if c < '0' || c > '9' {
			return Violation("a status line does not begin with a number")
		}
		h.Status = h.Status*10 + int(c-'0')
	}
	if reason := text[len("200 "):]; string(reason) != http.StatusText(h.Status) {
		h.Reason = reason
	}
	return nil
}

// fields reads a flat tuple of names and values into h. Where there are too many
// bytes of them it goes on without.
func (in *Reader) fields(h *Head) error {
	var name, value marshal.Value
	if err := in.walker.Next(&value); err != nil {
		return err
	}
	if value.Kind != marshal.Tuple || value.Int%2 != 0 || value.Int > 2*maxFields {
		return Violation("headers are not a tuple of pairs, or too many")
	}
	h.Header.Reset()
	h.Header.Reason = h.Reason
	h.Length, h.Strange, h.Invalid, h.Size = nil, false, nil, len(h.Reason)
	for n := value.Int; n > 0; n -= 2 {
		if err := in.walker.Next(&name); err != nil {
			return err
		}
		if err := in.walker.Next(&value); err != nil {
			return err
		}
		if h.Size += len(name.Data) + len(value.Data) + fieldCost; h.Size > in.ResponseHead {
			h.Invalid = ErrHead
			continue
		}
		nameBytes, ok1 := h.latin1(&name)
		valueBytes, ok2 := h.latin1(&value)
		if !ok1 || !ok2 {
			h.Invalid = notLatin1(nameBytes)
			continue
		}
		h.Add(nameBytes, valueBytes)
	}
	return nil
}
