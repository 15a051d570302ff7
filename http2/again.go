package http2

import (
	"bytes"

	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// again knows the head of the last request of a loop, if it has come twice in a row: what
// a header block says depends on its bytes, the decoder's table and the limits alone.
type again struct {
	table uint64 // of the decoder, by session.table
	block []byte
	ended bool // the request had no content
	known bool // head is what the block says
	head  httpfield.Known
}

// maxAgain bounds the block in bytes.
const maxAgain = 1 << 10

func (a *again) same(table uint64, block []byte, ended bool) bool {
	return a.table == table && a.ended == ended && bytes.Equal(a.block, block)
}

// is tells whether head is what the block says.
func (a *again) is(table uint64, block []byte, ended bool) bool {
	return a.known && a.same(table, block, ended)
}

// note takes notice of a block that was read without fault and has left the table as it
// was. What it says is copied if it comes for the second time.
func (a *again) note(table uint64, block []byte, b *headerBlock) {
	if a.same(table, block, b.endStream) {
		a.known = b.head.Keep(&a.head)
		return
	}
	a.known = false
	if len(block) <= maxAgain {
		a.table, a.ended = table, b.endStream
		a.block = append(a.block[:0], block...)
	}
}
