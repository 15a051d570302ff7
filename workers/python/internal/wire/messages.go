package wire

import (
	"unicode/utf8"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
)

// messagePiece is the longest piece of a message in one item: a batch that it is in keeps
// its buffer.
const messagePiece = 256 << 10

// Messages is a MESSAGES frame under way: what has come for a worker's WebSockets. Its
// memory stays for the next one.
type Messages struct {
	enc   marshal.Encoder
	list  int // where the frame's list is
	count int
}

// Empty tells whether there is no item.
func (b *Messages) Empty() bool { return b.count == 0 }

// Size is how long the frame is, in bytes.
func (b *Messages) Size() int { return len(b.enc.Buf) }

// item begins an item of a stream.
func (b *Messages) item(stream uint32) *marshal.Encoder {
	if b.count == 0 {
		b.enc.Reset(AppendFrame(b.enc.Buf[:0], FrameMessages, 0, 0, 0), nil)
		b.list = b.enc.List(0)
	}
	b.count += 2
	b.enc.Int(int64(stream))
	return &b.enc
}

// Piece adds the next piece of a message that is too long for one item, and returns the
// rest, for which it is to be called again when the frame was sent. It returns p if that
// fits.
func (b *Messages) Piece(stream uint32, text bool, p []byte) (rest []byte) {
	if len(p) <= messagePiece {
		return p
	}
	n := messagePiece
	for text && !utf8.RuneStart(p[n]) {
		n--
	}
	enc := b.item(stream)
	enc.Tuple(1)
	appendMessage(enc, text, p[:n])
	return p[n:]
}

// Message adds a message, or its last piece.
func (b *Messages) Message(stream uint32, text bool, p []byte) {
	appendMessage(b.item(stream), text, p)
}

// Ended says that nothing more comes on a WebSocket. answerable says that what its
// application sends may still arrive.
func (b *Messages) Ended(stream uint32, code int, reason string, answerable bool) {
	enc := b.item(stream)
	enc.Tuple(3)
	enc.Int(int64(code))
	enc.Str(reason)
	enc.Bool(answerable)
}

// Frame ends the frame and returns it. It is valid until the next item.
func (b *Messages) Frame() []byte {
	b.enc.PatchList(b.list, b.count)
	b.count = 0
	PatchSize(b.enc.Buf)
	return b.enc.Buf
}

// Trim gives memory back that is more than most bytes.
func (b *Messages) Trim(most int) {
	if cap(b.enc.Buf) > most {
		b.enc.Buf = nil
	}
}

func appendMessage(enc *marshal.Encoder, text bool, p []byte) {
	if text {
		enc.Text(p)
	} else {
		enc.Bytes(p)
	}
}

// Item is what an application sends on a WebSocket: a message, a piece of one, or the wish
// to close.
type Item struct {
	Text bool // else it is binary
	Last bool // it ends a message
	Data []byte

	Closes bool // with the code and the reason, and nothing else
	Code   int64
	Reason string
}

// Items begins a MESSAGES frame of a worker and returns how many items it has. The stream
// of each is read by ItemStream, the rest by Item, and then the frame's end by End.
func (in *Reader) Items(payload []byte) (n int64, err error) {
	in.begin(payload, MaxFrame)
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return 0, err
	}
	if v.Kind != marshal.List || v.Int%2 != 0 {
		return 0, Violation("MESSAGES is not a list of pairs")
	}
	return v.Int / 2, nil
}

// ItemStream reads which stream the next item is of.
func (in *Reader) ItemStream() (int64, error) { return in.int() }

// Item reads an item.
func (in *Reader) Item(it *Item) error {
	*it = Item{Last: true}
	var v marshal.Value
	if err := in.walker.Next(&v); err != nil {
		return err
	}
	if v.Kind == marshal.Tuple {
		if v.Int == 2 {
			return in.closing(it)
		}
		if v.Int != 1 {
			return Violation("item of a socket is a tuple of neither 1 nor 2")
		}
		it.Last = false
		if err := in.walker.Next(&v); err != nil {
			return err
		}
		if len(v.Data) == 0 {
			return Violation("piece of a message without a byte")
		}
	}
	switch {
	case v.Kind == marshal.Str:
		it.Text = true
		if !v.ASCII && !utf8.Valid(v.Data) {
			return Violation("text of a socket is not UTF-8")
		}
	case v.Kind != marshal.Bytes:
		return Violation("message of a socket is neither str nor bytes")
	}
	if len(v.Data) > MaxItem {
		return Violation("a piece of a message that is too long")
	}
	it.Data = v.Data
	return nil
}

// closing reads (code, reason).
func (in *Reader) closing(it *Item) (err error) {
	it.Closes = true
	if it.Code, err = in.int(); err != nil {
		return err
	}
	it.Reason, err = in.text(false)
	return err
}
