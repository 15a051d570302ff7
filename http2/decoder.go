package http2

import "unsafe"

// decoder reads header sections in HPACK, RFC 7541, for one connection. It is our
// own because fields that do not go into the dynamic table need no memory then.
type decoder struct {
	entries []headerField // the oldest first
	size    int
	limit   int    // set by the client, at most tableSize
	changed bool   // the table, since somebody has looked
	scratch []byte // text that was in the Huffman code
}

func (d *decoder) init() { d.limit = tableSize }

// errCompression ends a connection whose tables are no longer the same on both
// sides.
func errCompression(reason string) error { return connError{codeCompression, reason} }

// decode reads a section and gives each field to emit, which may be nil. The strings
// live until it returns.
func (d *decoder) decode(p []byte, emit func(name, value string)) error {
	begun := false
	for len(p) > 0 {
		if p[0]&0xe0 == opResize {
			if begun {
				return errCompression("size of the table changes within a section")
			}
			n, rest, err := readInt(p, 5)
			if err != nil {
				return err
			}
			if n > tableSize {
				return errCompression("table is larger than was offered")
			}
			p, d.limit, d.changed = rest, int(n), true
			d.evict(d.limit)
			continue
		}
		begun = true
		f, rest, err := d.field(p)
		if err != nil {
			return err
		}
		p = rest
		if emit != nil {
			emit(f.name, f.value)
		}
	}
	return nil
}

// field reads the field at the beginning of p.
func (d *decoder) field(p []byte) (f headerField, rest []byte, err error) {
	switch op := p[0]; {
	case op&opIndexed != 0:
		n, rest, err := readInt(p, 7)
		if err != nil {
			return f, nil, err
		}
		f, err := d.at(n)
		return f, rest, err
	case op&opInsert != 0:
		f, rest, err = d.literal(p, 6, true)
		if err == nil {
			d.insert(f)
		}
		return f, rest, err
	}
	return d.literal(p, 4, false)
}

// at returns the entry with index n.
func (d *decoder) at(n uint64) (headerField, error) {
	if n == 0 {
		return headerField{}, errCompression("index is 0")
	}
	if n <= uint64(staticEntries) {
		return staticTable[n], nil
	}
	n -= uint64(staticEntries)
	if n > uint64(len(d.entries)) {
		return headerField{}, errCompression("index is beyond the table")
	}
	return d.entries[len(d.entries)-int(n)], nil
}

// literal reads a field with its value in full. Unless it is to be kept, its strings
// are views that live until the next.
func (d *decoder) literal(p []byte, prefix int, keep bool) (f headerField, rest []byte, err error) {
	n, rest, err := readInt(p, prefix)
	if err != nil {
		return f, nil, err
	}
	d.scratch = d.scratch[:0]
	var name, value []byte
	nameEnd := 0
	if n == 0 {
		if name, rest, err = d.text(rest); err != nil {
			return f, nil, err
		}
		nameEnd = len(d.scratch)
	} else if f, err = d.at(n); err != nil {
		return f, nil, err
	}
	if value, rest, err = d.text(rest); err != nil {
		return f, nil, err
	}
	if nameEnd > 0 {
		name = d.scratch[:nameEnd] // the value may have moved it
	}
	switch {
	case !keep && n == 0:
		f.name, f.value = view(name), view(value)
	case !keep:
		f.value = view(value)
	case n == 0:
		both := string(name) + string(value)
		f.name, f.value = both[:len(name)], both[len(name):]
	default:
		f.value = string(value)
	}
	return f, rest, nil
}

func view(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// text reads a string literal, RFC 7541 section 5.2. It is a part of p, or of the
// scratch buffer.
func (d *decoder) text(p []byte) (text, rest []byte, err error) {
	if len(p) == 0 {
		return nil, nil, errTruncated
	}
	coded := p[0]&0x80 != 0
	n, p, err := readInt(p, 7)
	switch {
	case err != nil:
		return nil, nil, err
	case n > uint64(len(p)):
		return nil, nil, errTruncated
	case !coded:
		return p[:n], p[n:], nil
	}
	from := len(d.scratch)
	var ok bool
	if d.scratch, ok = appendHuffmanText(d.scratch, p[:n]); !ok {
		return nil, nil, errCompression("invalid Huffman code")
	}
	return d.scratch[from:], p[n:], nil
}

var errTruncated = errCompression("header section is cut off")

// readInt reads an integer, RFC 7541 section 5.1. None that is of use has more than
// 32 bits.
func readInt(p []byte, prefix int) (n uint64, rest []byte, err error) {
	if len(p) == 0 {
		return 0, nil, errTruncated
	}
	most := uint64(1)<<prefix - 1
	if n = uint64(p[0]) & most; n < most {
		return n, p[1:], nil
	}
	for i, shift := 1, 0; i < len(p); i, shift = i+1, shift+7 {
		if shift > 28 {
			return 0, nil, errCompression("integer is too large")
		}
		n += uint64(p[i]&0x7f) << shift
		if p[i]&0x80 == 0 {
			return n, p[i+1:], nil
		}
	}
	return 0, nil, errTruncated
}

// insert adds f to the table, whose oldest entries make room for it. One that is
// larger than the table empties it.
func (d *decoder) insert(f headerField) {
	size := len(f.name) + len(f.value) + entryOverhead
	d.changed = true
	d.evict(d.limit - size)
	if size <= d.limit {
		d.entries = append(d.entries, f)
		d.size += size
	}
}

func (d *decoder) evict(size int) {
	n := 0
	for ; d.size > size && n < len(d.entries); n++ {
		e := &d.entries[n]
		d.size -= len(e.name) + len(e.value) + entryOverhead
		*e = headerField{}
	}
	d.entries = d.entries[n:]
}
