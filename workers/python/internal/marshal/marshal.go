// Package marshal speaks the subset of CPython's marshal format that the link
// to Python workers uses: None, bool, int, float, str, bytes, tuple, list and
// dict.
//
// An Encoder appends values to a buffer. A Walker reads a value in place, with
// no allocation, for the frames of every request; Decode builds a tree, for the
// few frames that are not. Both treat their input as untrusted: every length is
// checked against what is there, nesting and the expanded size are bounded, and
// code objects and the other types are refused.
//
// The format is that of versions 3 and 4 (Python 3.4 and later): an object is a
// type byte, of which the highest bit says that the object enters a table of
// references in the order of the type bytes, and that later objects may be an
// index into that table.
package marshal

// Type bytes.
const (
	typeNull          = '0' // ends a dict
	typeNone          = 'N'
	typeFalse         = 'F'
	typeTrue          = 'T'
	typeInt           = 'i' // int32
	typeLong          = 'l' // int32 count of 15-bit digits, its sign the number's
	typeFloat         = 'g' // IEEE 754, 8 bytes
	typeBytes         = 's' // uint32 length
	typeUnicode       = 'u' // uint32 length, UTF-8 with surrogates passed through
	typeInterned      = 't' // as typeUnicode
	typeASCII         = 'a' // uint32 length
	typeASCIIInterned = 'A'
	typeShortASCII    = 'z' // uint8 length
	typeShortInterned = 'Z'
	typeTuple         = '(' // uint32 length
	typeSmallTuple    = ')' // uint8 length
	typeList          = '[' // uint32 length
	typeDict          = '{' // keys and values up to typeNull
	typeRef           = 'r' // uint32 index

	flagRef = 0x80
)

// MaxDepth is how deep containers may nest in what is read.
const MaxDepth = 16

// SyntaxError says why bytes were refused.
type SyntaxError struct {
	// Reason is what is wrong.
	Reason string
	// Offset is where, in bytes from the start.
	Offset int
}

// Error returns the reason and the place.
func (e *SyntaxError) Error() string {
	return "marshal: " + e.Reason + " at offset " + itoa(e.Offset)
}
