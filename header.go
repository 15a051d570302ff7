package asteri

import (
	"iter"
	"slices"
	"strconv"
)

// Field is one header or trailer field line, as received or as to be sent.
type Field struct {
	Name, Value []byte
}

// Header is an ordered list of fields; repeated names are kept. The zero value
// is an empty header. Names are compared without regard to ASCII case.
//
// The []byte methods return views that follow the lifetime of the header; the
// string methods copy what they are given into it.
type Header struct {
	// Reason is the reason phrase of a response's status line (RFC 9112 section 4),
	// which HTTP/1.1 sends and other versions do not have. Default: the usual one
	// for the status. It may hold what a field's value may.
	Reason []byte

	fields []Field
	arena  []byte // holds the bytes of fields added by copy
}

// Len returns the number of fields.
func (h *Header) Len() int {
	if h == nil {
		return 0
	}
	return len(h.fields)
}

// At returns field i, 0 <= i < Len.
func (h *Header) At(i int) Field { return h.fields[i] }

// Fields returns all fields in order. The slice is the header's own.
func (h *Header) Fields() []Field {
	if h == nil {
		return nil
	}
	return h.fields
}

// Get returns the value of the first field called name, or nil.
func (h *Header) Get(name string) []byte {
	if h == nil {
		return nil
	}
	for i := range h.fields {
		if EqualFold(h.fields[i].Name, name) {
			return h.fields[i].Value
		}
	}
	return nil
}

// Has tells whether there is a field called name.
func (h *Header) Has(name string) bool {
	if h == nil {
		return false
	}
	for i := range h.fields {
		if EqualFold(h.fields[i].Name, name) {
			return true
		}
	}
	return false
}

// Values yields the values of all fields called name, in order.
func (h *Header) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, f := range h.Fields() {
			if EqualFold(f.Name, name) && !yield(f.Value) {
				return
			}
		}
	}
}

// Grow makes room for n more fields, so that Append need not.
func (h *Header) Grow(n int) { h.fields = slices.Grow(h.fields, n) }

// Append adds a field without copying it: name and value must live as long as
// the header is used.
func (h *Header) Append(name, value []byte) {
	n := len(h.fields)
	if n == cap(h.fields) {
		h.fields = slices.Grow(h.fields, 1)
	}
	h.fields = h.fields[:n+1]
	f := &h.fields[n]
	f.Name, f.Value = name, value
}

// Add adds a copy of a field at the end.
func (h *Header) Add(name, value string) {
	h.arena = append(append(h.arena, name...), value...)
	h.appendCopied(len(name), len(value))
}

// AddBytes is Add for a value in bytes.
func (h *Header) AddBytes(name string, value []byte) {
	h.arena = append(append(h.arena, name...), value...)
	h.appendCopied(len(name), len(value))
}

// appendCopied adds the field that the arena ends with, of these lengths.
func (h *Header) appendCopied(name, value int) {
	end := len(h.arena)
	v := end - value
	h.Append(h.arena[v-name:v:v], h.arena[v:end:end])
}

// AddInt adds a field with a decimal value.
func (h *Header) AddInt(name string, value int64) {
	var digits [20]byte
	h.AddBytes(name, strconv.AppendInt(digits[:0], value, 10))
}

// Set replaces all fields called name by one.
func (h *Header) Set(name, value string) {
	h.Del(name)
	h.Add(name, value)
}

// Del removes all fields called name.
func (h *Header) Del(name string) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// Clone returns a copy that shares nothing with h.
func (h *Header) Clone() *Header {
	c := new(Header)
	c.CopyFrom(h)
	return c
}

// CopyFrom makes h a copy of src that shares nothing with it, reusing h's
// memory.
func (h *Header) CopyFrom(src *Header) {
	h.Reset()
	if src != nil && len(src.Reason) > 0 {
		h.Reason = slices.Clone(src.Reason)
	}
	for _, f := range src.Fields() {
		n := len(h.arena)
		h.arena = append(h.arena, f.Name...)
		v := len(h.arena)
		h.arena = append(h.arena, f.Value...)
		h.fields = append(h.fields, Field{h.arena[n:v:v], h.arena[v:len(h.arena):len(h.arena)]})
	}
}

// Reset empties the header and keeps its memory for reuse. Views taken from it
// become invalid.
func (h *Header) Reset() {
	h.Reason = nil
	h.fields = h.fields[:0]
	h.arena = h.arena[:0]
}

// EqualFold tells whether a and b are equal without regard to ASCII case. It is
// meant for field names and other protocol tokens.
func EqualFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(b) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}
