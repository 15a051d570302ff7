package http2

import (
	"bytes"
	"hash/maphash"
	"slices"

	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
)

// encoder writes header sections in HPACK, RFC 7541, for one connection. It is our
// own because its input is bytes, not strings, and because responses repeat
// themselves: a field of the dynamic table costs one hash and one comparison.
//
// A field goes into the table when it is seen for the second time. What is
// different in each response, such as an entity tag, never pushes out what is not; once,
// such a field goes into the table for its name, unless the static one has that.
type encoder struct {
	limit   int  // size of the table, RFC 7541 section 4.2
	resized bool // the table was emptied, and the client is to be told of limit

	entries []tableEntry // the oldest first
	first   uint32       // number of the oldest; numbers count insertions
	size    int
	known   [16]recent // by hash: numbers of entries, plus 1
	seen    [8]recent  // by hash: marks of fields that were seen once
	last    [16]uint32 // by place in the last section: number of the entry, plus 1
	named   [2]uint32  // numbers of entries, plus 1, that are there for their names
	wanted  [2]uint32  // marks of names that were seen with a value that was new
}

// recent holds the latest of the fields with like hashes. The few that a response is
// made of have room in one, so that those that are always there do not push out each
// other time after time.
type recent [8]uint32

func (r *recent) add(n uint32) {
	copy(r[1:], r[:])
	r[0] = n
}

type tableEntry struct {
	text    []byte // name and value
	nameLen int
}

func (t *tableEntry) is(f *asteri.Field) bool {
	return len(f.Name) == t.nameLen && bytes.Equal(t.text[t.nameLen:], f.Value) && bytes.Equal(t.text[:t.nameLen], f.Name)
}

func (t *tableEntry) hasName(f *asteri.Field) bool {
	return len(f.Name) == t.nameLen && bytes.Equal(t.text[:t.nameLen], f.Name)
}

func (t *tableEntry) size() int { return len(t.text) + entryOverhead }

// hashSeed makes it hard to find fields that share a place.
var hashSeed = maphash.MakeSeed()

// init prepares for a connection.
func (e *encoder) init() { e.limit = tableSize }

// setLimit takes over the client's SETTINGS_HEADER_TABLE_SIZE. More than the
// default is not made use of. The table begins anew, which spares us to remember
// the least size of several in a row.
func (e *encoder) setLimit(n uint32) {
	limit := int(min(n, tableSize))
	if limit == e.limit {
		return
	}
	e.limit = limit
	e.resized = true
	e.evict(0)
}

// encode appends a header section.
func (e *encoder) encode(b []byte, fields []asteri.Field) []byte {
	if e.resized {
		b = append(b, opResize) // to nothing
		b = appendInt(b, opResize, 5, uint64(e.limit))
		e.resized = false
	}
	for i := range fields {
		f := &fields[i]
		if n := e.last[i%len(e.last)]; n > e.first && e.entries[n-1-e.first].is(f) {
			b = e.appendIndex(b, n)
			continue
		}
		b = e.encodeField(b, f, &e.last[i%len(e.last)])
	}
	return b
}

// appendIndex appends a field that is in the table.
func (e *encoder) appendIndex(b []byte, number uint32) []byte {
	return appendInt(b, opIndexed, 7, uint64(e.index(number)))
}

// index returns the index of the entry with a number.
func (e *encoder) index(number uint32) int {
	return staticEntries + len(e.entries) - int(number-1-e.first)
}

// encodeField appends a field that is not what stood in its place in the last
// section, and notes in last if it is in the table.
func (e *encoder) encodeField(b []byte, f *asteri.Field, last *uint32) []byte {
	if len(f.Name) == len(":status") && f.Name[0] == ':' {
		if i := staticStatus(f.Value); i != 0 {
			return append(b, opIndexed|i)
		}
	}
	h := maphash.Bytes(hashSeed, f.Value) + uint64(len(f.Name))*0x9e3779b97f4a7c15 + uint64(f.Name[len(f.Name)-1])
	if n := e.find(f, h); n != 0 {
		*last = n
		return e.appendIndex(b, n)
	}
	mark, seen := uint32(h>>32)|1, &e.seen[h>>16%uint64(len(e.seen))]
	switch size := len(f.Name) + len(f.Value) + entryOverhead; {
	case string(f.Name) == "set-cookie":
		return appendLiteral(b, opNeverIndexed, 4, f) // RFC 7541 section 7.1.3
	case size > e.limit/4:
		return appendLiteral(b, opLiteral, 4, f)
	case !slices.Contains(seen[:], mark):
		seen.add(mark)
		return e.appendNew(b, f, size, h)
	default:
		b = appendLiteral(b, opInsert, 6, f)
		*last = e.insert(f, size, h)
		return b
	}
}

// appendNew appends a field of which the value was not seen.
func (e *encoder) appendNew(b []byte, f *asteri.Field, size int, h uint64) []byte {
	for _, n := range e.named {
		if n > e.first && e.entries[n-1-e.first].hasName(f) {
			b = appendInt(b, opLiteral, 4, uint64(e.index(n)))
			return appendValue(b, opLiteral, f)
		}
	}
	if staticNames[string(f.Name)] != 0 {
		return appendLiteral(b, opLiteral, 4, f)
	}
	mark := uint32(maphash.Bytes(hashSeed, f.Name)) | 1
	if !slices.Contains(e.wanted[:], mark) {
		e.wanted[0], e.wanted[1] = mark, e.wanted[0]
		return appendLiteral(b, opLiteral, 4, f)
	}
	b = appendLiteral(b, opInsert, 6, f)
	e.named[0], e.named[1] = e.insert(f, size, h), e.named[0]
	return b
}

// find returns the number of the entry that is f, plus 1, or 0.
func (e *encoder) find(f *asteri.Field, h uint64) uint32 {
	for _, n := range e.known[h%uint64(len(e.known))] {
		if n <= e.first {
			return 0 // this one has left the table, and so have those before it
		}
		if e.entries[n-1-e.first].is(f) {
			return n
		}
	}
	return 0
}

// insert adds f to the table, takes out what that has no room for, and returns the
// entry's number, plus 1.
func (e *encoder) insert(f *asteri.Field, size int, h uint64) uint32 {
	e.evict(e.limit - size)
	text := make([]byte, 0, len(f.Name)+len(f.Value))
	text = append(append(text, f.Name...), f.Value...)
	e.entries = append(e.entries, tableEntry{text, len(f.Name)})
	e.size += size
	n := e.first + uint32(len(e.entries))
	e.known[h%uint64(len(e.known))].add(n)
	return n
}

func (e *encoder) evict(size int) {
	for e.size > size && len(e.entries) > 0 {
		e.size -= e.entries[0].size()
		e.entries[0] = tableEntry{}
		e.entries = e.entries[1:]
		e.first++
	}
}

// appendLiteral appends a field with its value in full, and its name too if the
// static table has none such.
func appendLiteral(b []byte, op byte, prefix int, f *asteri.Field) []byte {
	i := staticNames[string(f.Name)]
	b = appendInt(b, op, prefix, uint64(i))
	if i == 0 {
		b = appendString(b, f.Name)
	}
	return appendValue(b, op, f)
}

func appendValue(b []byte, op byte, f *asteri.Field) []byte {
	if op != opInsert && len(f.Value) <= plainText {
		return appendPlain(b, f.Value)
	}
	return appendString(b, f.Value)
}

// plainText is the size up to which a value that does not go into the table is not
// worth the time for the Huffman code: each response has at least one such, its
// request's id.
const plainText = 40

// appendString appends a string literal, RFC 7541 section 5.2, in the Huffman code
// if that makes it shorter.
func appendString(b, p []byte) []byte {
	s := view(p)
	if n := hpack.HuffmanEncodeLength(s); n < uint64(len(s)) {
		b = appendInt(b, 0x80, 7, n)
		return hpack.AppendHuffmanString(b, s)
	}
	return appendPlain(b, p)
}

// appendPlain appends a string literal as it is.
func appendPlain(b, p []byte) []byte {
	b = appendInt(b, 0, 7, uint64(len(p)))
	return append(b, p...)
}

// appendInt appends an integer behind the bits of op, RFC 7541 section 5.1.
func appendInt(b []byte, op byte, prefix int, n uint64) []byte {
	most := uint64(1)<<prefix - 1
	if n < most {
		return append(b, op|byte(n))
	}
	b = append(b, op|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// staticStatus returns the index of a status in the static table, or 0.
func staticStatus(v []byte) byte {
	switch string(v) {
	case "200":
		return 8
	case "204":
		return 9
	case "206":
		return 10
	case "304":
		return 11
	case "400":
		return 12
	case "404":
		return 13
	case "500":
		return 14
	}
	return 0
}
