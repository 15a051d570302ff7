// Package requestid gives every request an id, by which its client, its
// application, and the lines of all logs about it can be brought together.
//
// The id is Request.Handling.ID. The application finds it in a request field,
// and protocols send it back in the response field of the same name
// (asteri.WithRequestIDField).
package requestid

import (
	"encoding/binary"
	"math/rand/v2"
	"unsafe"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/edge/forwarded"
)

// MaxLength bounds an id that a proxy has given, in bytes.
const MaxLength = 128

// Handler returns a handler that gives the requests for next an id, in the field
// name. A trusted peer's own stays if it is one; a field that anybody else sends
// is replaced. It is to see a request before what puts clients in the place of
// proxies, whose word counts here.
func Handler(next asteri.Handler, name string, trusted *addrset.Set) asteri.Handler {
	return &handler{next: next, name: name, bytes: []byte(name), trusted: trusted}
}

type handler struct {
	next    asteri.Handler
	name    string
	bytes   []byte // name, for fields
	trusted *addrset.Set
}

// ServeExchange implements asteri.Handler.
func (h *handler) ServeExchange(x asteri.Exchange) {
	r := x.Request()
	given, n := h.find(&r.Header)
	switch {
	case n == 0:
		h.give(r)
	case n == 1 && Valid(given) && forwarded.Trusts(h.trusted, r.Peer):
		r.Handling.ID = string(given)
	default:
		r.Header.Del(h.name)
		h.give(r)
	}
	h.next.ServeExchange(x)
}

// give gives the request a new id. The field's value is the id's memory, which nobody
// writes to.
func (h *handler) give(r *asteri.Request) {
	id := New()
	r.Handling.ID = id
	r.Header.Append(h.bytes, unsafe.Slice(unsafe.StringData(id), len(id)))
}

// find returns the field's value, and how many there are.
func (h *handler) find(header *asteri.Header) (value []byte, n int) {
	fields := header.Fields()
	for i := range fields {
		if asteri.EqualFold(fields[i].Name, h.name) {
			value = fields[i].Value
			n++
		}
	}
	return value, n
}

// New returns an id: 128 random bits in hexadecimal. They come from the
// runtime's generator, ChaCha8 with a key of the process and the thread, so that
// nobody can tell the next from those before, and it costs no system call.
func New() string {
	var text [32]byte
	putHex(text[:16], rand.Uint64())
	putHex(text[16:], rand.Uint64())
	return string(text[:])
}

// putHex writes v in hexadecimal, its digits in no particular order: eight at a time,
// because every request passes here.
func putHex(text []byte, v uint64) {
	const nibbles = 0x0f0f0f0f0f0f0f0f
	binary.LittleEndian.PutUint64(text, hexDigits(v&nibbles))
	binary.LittleEndian.PutUint64(text[8:], hexDigits(v>>4&nibbles))
}

// hexDigits turns eight numbers below 16, one in each byte, into digits.
func hexDigits(v uint64) uint64 {
	const ones = 0x0101010101010101
	letters := (v + 6*ones) >> 4 & ones // 1 where the number is 10 or more
	return v + '0'*ones + letters*('a'-10-'0')
}

// Valid tells whether p can be an id: 1 to MaxLength letters, digits and a few
// signs, none of which means something in a log, a shell or a page.
func Valid(p []byte) bool {
	if len(p) == 0 || len(p) > MaxLength {
		return false
	}
	for _, c := range p {
		if !isIDByte(c) {
			return false
		}
	}
	return true
}

func isIDByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '-', '_', '.', ':', '/', '+', '=', '@', '~':
		return true
	}
	return false
}
