package marshal

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Encoder appends values to Buf. Containers are written as a count and then
// that many values; the caller keeps the count true, except that the count of
// a list can be corrected by PatchList. The zero value is ready for use.
type Encoder struct {
	// Buf is what has been written. Its start may hold other bytes, such as
	// a frame header.
	Buf []byte

	refs  uint32   // objects that have entered the reader's table
	atoms []uint32 // by Atom.id: index into that table, plus 1
}

// Atom is a str or bytes object that is written often. Within one document its
// first occurrence is written in full and the others as a reference. Python
// interns the strs, so that the keys of all environs are the same objects with
// their hashes known.
type Atom struct {
	id   int
	full []byte
}

// Atoms makes the atoms of an encoder's vocabulary.
type Atoms struct{ n int }

// New returns an atom for a str, which is ASCII of at most 255 bytes.
func (a *Atoms) New(s string) *Atom {
	if len(s) > 255 || !isASCII(s) {
		panic("marshal: atom is not short ASCII: " + s)
	}
	return a.add(append([]byte{typeShortInterned | flagRef, byte(len(s))}, s...))
}

// NewBytes returns an atom for a bytes object.
func (a *Atoms) NewBytes(s string) *Atom {
	var e Encoder
	e.Bytes([]byte(s))
	e.Buf[0] |= flagRef
	return a.add(e.Buf)
}

func (a *Atoms) add(full []byte) *Atom {
	a.n++
	return &Atom{id: a.n - 1, full: full}
}

// Reset begins a new document in buf, for atoms made by a (which may be nil).
func (e *Encoder) Reset(buf []byte, a *Atoms) {
	e.Buf, e.refs = buf, 0
	n := 0
	if a != nil {
		n = a.n
	}
	if cap(e.atoms) < n {
		e.atoms = make([]uint32, n)
		return
	}
	e.atoms = e.atoms[:n]
	clear(e.atoms)
}

// Atom writes a.
func (e *Encoder) Atom(a *Atom) {
	if at := e.atoms[a.id]; at != 0 {
		e.ref(at - 1)
		return
	}
	e.refs++
	e.atoms[a.id] = e.refs
	e.Buf = append(e.Buf, a.full...)
}

func (e *Encoder) ref(i uint32) {
	e.Buf = append(e.Buf, typeRef, byte(i), byte(i>>8), byte(i>>16), byte(i>>24))
}

// None writes None.
func (e *Encoder) None() { e.Buf = append(e.Buf, typeNone) }

// Bool writes a bool.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Buf = append(e.Buf, typeTrue)
	} else {
		e.Buf = append(e.Buf, typeFalse)
	}
}

// Int writes an int of any size.
func (e *Encoder) Int(v int64) {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		e.Buf = append(e.Buf, typeInt, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
		return
	}
	e.Buf = append(e.Buf, typeLong, 0, 0, 0, 0)
	count := len(e.Buf)
	mag := uint64(v)
	if v < 0 {
		mag = -mag
	}
	n := int32(0)
	for ; mag != 0; mag >>= 15 {
		e.Buf = binary.LittleEndian.AppendUint16(e.Buf, uint16(mag&0x7fff))
		n++
	}
	if v < 0 {
		n = -n
	}
	binary.LittleEndian.PutUint32(e.Buf[count-4:], uint32(n))
}

// Float writes a float.
func (e *Encoder) Float(v float64) {
	e.Buf = append(e.Buf, typeFloat)
	e.Buf = binary.LittleEndian.AppendUint64(e.Buf, math.Float64bits(v))
}

// Bytes writes a bytes object.
func (e *Encoder) Bytes(p []byte) {
	e.head(typeBytes, len(p))
	e.Buf = append(e.Buf, p...)
}

// Str writes a str from UTF-8. Bytes that are not UTF-8 become U+FFFD, because
// Python would refuse the whole document for them.
func (e *Encoder) Str(s string) {
	if isASCII(s) {
		e.ascii(len(s))
		e.Buf = append(e.Buf, s...)
		return
	}
	at := len(e.Buf)
	e.head(typeUnicode, 0)
	for _, r := range s {
		e.Buf = utf8.AppendRune(e.Buf, r)
	}
	binary.LittleEndian.PutUint32(e.Buf[at+1:], uint32(len(e.Buf)-at-5))
}

// Text writes a str from bytes that are known to be UTF-8.
func (e *Encoder) Text(p []byte) {
	if isASCII(p) {
		e.ascii(len(p))
	} else {
		e.head(typeUnicode, len(p))
	}
	e.Buf = append(e.Buf, p...)
}

// Latin1 writes a str of which each character is one byte of p.
func (e *Encoder) Latin1(p []byte) {
	if isASCII(p) {
		e.ascii(len(p))
		e.Buf = append(e.Buf, p...)
		return
	}
	e.latin1Slow(p)
}

func (e *Encoder) latin1Slow(p []byte) {
	at := len(e.Buf)
	e.head(typeUnicode, 0)
	for _, c := range p {
		e.Buf = utf8.AppendRune(e.Buf, rune(c))
	}
	binary.LittleEndian.PutUint32(e.Buf[at+1:], uint32(len(e.Buf)-at-5))
}

// Tuple begins a tuple of n values.
func (e *Encoder) Tuple(n int) {
	if n < 256 {
		e.Buf = append(e.Buf, typeSmallTuple, byte(n))
		return
	}
	e.head(typeTuple, n)
}

// List begins a list of n values and returns its place for PatchList.
func (e *Encoder) List(n int) (at int) {
	at = len(e.Buf)
	e.head(typeList, n)
	return at
}

// PatchList corrects the count of the list at place at.
func (e *Encoder) PatchList(at, n int) {
	binary.LittleEndian.PutUint32(e.Buf[at+1:], uint32(n))
}

// Dict begins a dict: keys and values follow in turn, and EndDict.
func (e *Encoder) Dict() { e.Buf = append(e.Buf, typeDict) }

// EndDict ends a dict.
func (e *Encoder) EndDict() { e.Buf = append(e.Buf, typeNull) }

func (e *Encoder) ascii(n int) {
	if n < 256 {
		e.Buf = append(e.Buf, typeShortASCII, byte(n))
		return
	}
	e.head(typeASCII, n)
}

func (e *Encoder) head(t byte, n int) {
	e.Buf = append(e.Buf, t, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func isASCII[T string | []byte](s T) bool {
	var or byte
	for i := range len(s) {
		or |= s[i]
	}
	return or < utf8.RuneSelf
}
