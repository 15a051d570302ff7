package marshal

import (
	"encoding/binary"
	"math"
)

// Kind is what a Value is.
type Kind uint8

// The kinds.
const (
	None Kind = iota
	Bool
	Int
	Float
	Bytes
	Str
	Tuple
	List
	Dict

	null // ends a dict; never given to users
)

// Value is one object, a view into the input.
type Value struct {
	Kind Kind
	// Data is the content of Bytes, and of Str in UTF-8.
	Data []byte
	// ASCII says that a Str has no byte above 127.
	ASCII bool
	// Int is the value of an Int, 0 or 1 for a Bool, the length of a Tuple or
	// List, and the bits of a Float.
	Int int64
}

// Float returns the value of a Float.
func (v *Value) Float() float64 { return math.Float64frombits(uint64(v.Int)) }

// AppendLatin1 appends the bytes of a Str whose characters are all below 256,
// or of Bytes, to dst. ok is false for anything else.
func (v *Value) AppendLatin1(dst []byte) (out []byte, ok bool) {
	if v.Kind == Bytes || v.Kind == Str && v.ASCII {
		return append(dst, v.Data...), true
	}
	if v.Kind != Str {
		return dst, false
	}
	for i := 0; i < len(v.Data); i++ {
		c := v.Data[i]
		if c >= 0x80 {
			// U+0080 to U+00FF are two bytes, the first C2 or C3.
			if c != 0xC2 && c != 0xC3 || i+1 == len(v.Data) || v.Data[i+1]&0xC0 != 0x80 {
				return dst, false
			}
			i++
			c = c<<6 | v.Data[i]&0x3F
		}
		dst = append(dst, c)
	}
	return dst, true
}

// reader reads the heads of objects: a type byte with the fixed part and, for
// the types that have no elements, all of the object.
type reader struct {
	in  []byte
	pos int
}

func (r *reader) fail(reason string) error { return &SyntaxError{reason, r.pos} }

// head reads the object at pos, whose type byte is t. For containers it reads
// the count only.
func (r *reader) head(t byte, v *Value) error {
	switch t {
	case typeShortASCII, typeShortInterned:
		if r.pos >= len(r.in) {
			return r.fail("cut short")
		}
		n := int(r.in[r.pos])
		r.pos++
		v.Kind, v.ASCII = Str, true
		return r.data(n, v)
	case typeBytes:
		v.Kind = Bytes
		return r.sized(v)
	case typeASCII, typeASCIIInterned:
		v.Kind, v.ASCII = Str, true
		return r.sized(v)
	case typeUnicode, typeInterned:
		v.Kind, v.ASCII = Str, false
		return r.sized(v)
	case typeInt:
		n, err := r.uint32()
		v.Kind, v.Int = Int, int64(int32(n))
		return err
	case typeSmallTuple:
		if r.pos >= len(r.in) {
			return r.fail("cut short")
		}
		v.Kind, v.Int = Tuple, int64(r.in[r.pos])
		r.pos++
		return r.plausible(v)
	case typeTuple, typeList:
		n, err := r.uint32()
		if err != nil {
			return err
		}
		v.Kind, v.Int = Tuple, int64(n)
		if t == typeList {
			v.Kind = List
		}
		return r.plausible(v)
	}
	return r.rare(t, v)
}

func (r *reader) rare(t byte, v *Value) error {
	switch t {
	case typeNone:
		v.Kind = None
	case typeFalse:
		v.Kind, v.Int = Bool, 0
	case typeTrue:
		v.Kind, v.Int = Bool, 1
	case typeNull:
		v.Kind = null
	case typeDict:
		v.Kind = Dict
	case typeLong:
		return r.long(v)
	case typeFloat:
		if len(r.in)-r.pos < 8 {
			return r.fail("cut short")
		}
		v.Kind = Float
		v.Int = int64(binary.LittleEndian.Uint64(r.in[r.pos:]))
		r.pos += 8
	default:
		return r.fail("type that is not accepted")
	}
	return nil
}

// plausible refuses a count that the rest of the input cannot hold, since each
// element takes a byte or more.
func (r *reader) plausible(v *Value) error {
	if v.Int > int64(len(r.in)-r.pos) {
		return r.fail("count exceeds the input")
	}
	return nil
}

func (r *reader) uint32() (uint32, error) {
	if len(r.in)-r.pos < 4 {
		return 0, r.fail("cut short")
	}
	n := binary.LittleEndian.Uint32(r.in[r.pos:])
	r.pos += 4
	return n, nil
}

func (r *reader) sized(v *Value) error {
	n, err := r.uint32()
	if err != nil {
		return err
	}
	if uint64(n) > uint64(len(r.in)-r.pos) {
		return r.fail("length exceeds the input")
	}
	return r.data(int(n), v)
}

func (r *reader) data(n int, v *Value) error {
	if n > len(r.in)-r.pos {
		return r.fail("length exceeds the input")
	}
	v.Data = r.in[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return nil
}

// long reads an int of more than 32 bits; more than 63 are refused.
func (r *reader) long(v *Value) error {
	n, err := r.uint32()
	if err != nil {
		return err
	}
	digits := int64(int32(n))
	negative := digits < 0
	if negative {
		digits = -digits
	}
	if digits > 5 || int64(len(r.in)-r.pos) < 2*digits {
		return r.fail("int too large")
	}
	var mag uint64
	for i := range digits {
		d := uint64(binary.LittleEndian.Uint16(r.in[r.pos:]))
		if d > 0x7fff || i == 4 && d > 7 {
			return r.fail("int too large")
		}
		mag |= d << (15 * i)
		r.pos += 2
	}
	v.Kind, v.Int = Int, int64(mag)
	if negative {
		v.Int = -v.Int
	}
	return nil
}
