// Package accept reads what content codings a client accepts (RFC 9110 section
// 12.5.3).
package accept

import (
	"bytes"

	"github.com/asteri/asteri-loop"
)

// Coding is a content coding of RFC 9110 section 8.4.1, RFC 8878 or RFC 7932.
type Coding uint8

// The codings that the server knows.
const (
	Identity Coding = iota // no coding
	Gzip
	Zstd
	Brotli
	codings
)

var names = [codings]string{"identity", "gzip", "zstd", "br"}

// String returns the coding's name in Content-Encoding.
func (c Coding) String() string { return names[c] }

// Parse returns the coding called name.
func Parse(name string) (c Coding, ok bool) {
	for i, n := range names {
		if n == name {
			return Coding(i), true
		}
	}
	return Identity, false
}

// Qualities are the weights that a client gives to codings, from 0, which
// refuses one, to 1000.
type Qualities struct {
	weight [codings]int16
	listed [codings]bool
}

// Header is the name of the field.
const Header = "Accept-Encoding"

// Encodings returns the weights in a request's header. Without the field all
// codings are refused but identity: the client may accept others, but most that
// say nothing cannot decode any.
func Encodings(h *asteri.Header) Qualities {
	var q Qualities
	other := int16(0) // what "*" says
	star := false
	for _, f := range h.Fields() {
		if len(f.Name) != len(Header) || !asteri.EqualFold(f.Name, Header) {
			continue
		}
		for rest := f.Value; len(rest) > 0; {
			var item []byte
			item, rest, _ = bytes.Cut(rest, []byte{','})
			name, weight, ok := parseItem(item)
			switch c, known := find(name); {
			case !ok:
			case known:
				q.weight[c], q.listed[c] = weight, true
			case len(name) == 1 && name[0] == '*':
				other, star = weight, true
			}
		}
	}
	for c := range q.weight {
		if !q.listed[c] {
			q.weight[c] = other
		}
	}
	if !q.listed[Identity] && !star {
		q.weight[Identity] = 1000
	}
	return q
}

// find returns the coding that a client calls name.
func find(name []byte) (Coding, bool) {
	for c, n := range names {
		if len(n) == len(name) && asteri.EqualFold(name, n) {
			return Coding(c), true
		}
	}
	if asteri.EqualFold(name, "x-gzip") {
		return Gzip, true
	}
	return Identity, false
}

// parseItem takes an element apart: a name, and perhaps ";q=" and a weight.
func parseItem(item []byte) (name []byte, weight int16, ok bool) {
	name, param, weighted := bytes.Cut(item, []byte{';'})
	name = bytes.Trim(name, " \t")
	if !weighted {
		return name, 1000, len(name) > 0
	}
	param = bytes.Trim(param, " \t")
	if len(param) < 3 || param[0]|0x20 != 'q' || param[1] != '=' {
		return name, 0, false
	}
	weight, ok = parseWeight(param[2:])
	return name, weight, ok && len(name) > 0
}

// parseWeight parses a qvalue (RFC 9110 section 12.4.2) in thousandths.
func parseWeight(p []byte) (weight int16, ok bool) {
	if p[0] != '0' && p[0] != '1' || len(p) > 5 || len(p) > 1 && p[1] != '.' {
		return 0, false
	}
	weight = int16(p[0]-'0') * 1000
	scale := int16(100)
	for _, c := range p[min(2, len(p)):] {
		if c < '0' || c > '9' {
			return 0, false
		}
		weight += int16(c-'0') * scale
		scale /= 10
	}
	return weight, weight <= 1000
}

// Accepts tells whether the client accepts c.
func (q *Qualities) Accepts(c Coding) bool { return q.weight[c] > 0 }

// Best returns which of the offered codings the client likes best, the first of
// equals; ok is false if it accepts none. Identity loses to a coding that is
// accepted, unless the client says explicitly that it prefers identity.
func (q *Qualities) Best(offered ...Coding) (best Coding, ok bool) {
	weight := int16(0)
	for _, c := range offered {
		w := q.weight[c]
		if c == Identity && w > 0 && !q.listed[c] {
			w = 1 // the least that counts
		}
		if w > weight || w == weight && w > 0 && best == Identity {
			best, weight, ok = c, w, true
		}
	}
	return best, ok
}
