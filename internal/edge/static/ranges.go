package static

import (
	"bytes"
	"math"
	"strconv"

	"github.com/asteri/asteri-loop"
)

// byteRange is a part of a file, of at least one byte.
type byteRange struct{ off, n int64 }

// maxRanges bounds the parts of one response.
const maxRanges = 32

// rangeVerdict says what to make of a Range field.
type rangeVerdict uint8

const (
	rangeIgnored rangeVerdict = iota // the whole file is sent
	rangePart
	rangeUnsatisfiable
)

// parseRanges appends the parts of a file of size bytes that a Range field asks
// for to dst (RFC 9110 section 14.2). The field is ignored if it is invalid, of
// another unit, or asks for more than the whole file in pieces: that only costs,
// and was used to do so (CVE-2011-3192).
func parseRanges(dst []byteRange, field []byte, size int64) ([]byteRange, rangeVerdict) {
	unit, rest, ok := bytes.Cut(field, []byte{'='})
	if !ok || !asteri.EqualFold(unit, "bytes") {
		return nil, rangeIgnored
	}
	asked, total := 0, int64(0)
	for more := true; more; {
		var spec []byte
		spec, rest, more = bytes.Cut(rest, []byte{','})
		spec = bytes.Trim(spec, " \t")
		if len(spec) == 0 {
			continue // an empty element of a list (section 5.6.1.2)
		}
		r, valid := parseRange(spec, size)
		asked++
		if !valid || asked > maxRanges {
			return nil, rangeIgnored
		}
		if r.n > 0 {
			dst = append(dst, r)
			total += r.n
		}
	}
	switch {
	case asked == 0 || len(dst) > 1 && total > size:
		return nil, rangeIgnored
	case len(dst) == 0:
		return nil, rangeUnsatisfiable
	}
	return dst, rangePart
}

// parseRange parses one range: first-last, first- or -length. One that is valid
// but not satisfiable has no bytes.
func parseRange(spec []byte, size int64) (r byteRange, valid bool) {
	before, after, ok := bytes.Cut(spec, []byte{'-'})
	if !ok {
		return r, false
	}
	if len(before) == 0 { // the last bytes
		n, ok := parseDigits(after)
		n = min(n, size)
		return byteRange{size - n, n}, ok
	}
	first, ok := parseDigits(before)
	if !ok {
		return r, false
	}
	last := int64(math.MaxInt64 - 1)
	if len(after) > 0 {
		if last, ok = parseDigits(after); !ok || last < first {
			return r, false
		}
	}
	if first >= size {
		return r, true
	}
	return byteRange{first, min(last, size-1) - first + 1}, true
}

// parseDigits parses a number; one beyond what any file has becomes the largest.
func parseDigits(p []byte) (n int64, ok bool) {
	if len(p) == 0 {
		return 0, false
	}
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n < math.MaxInt64/16 {
			n = n*10 + int64(c-'0')
		}
	}
	return n, true
}

// contentRange returns the value of Content-Range for r.
func (r byteRange) contentRange(size int64) string {
	b := append(make([]byte, 0, 64), "bytes "...)
	b = strconv.AppendInt(b, r.off, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, r.off+r.n-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}
