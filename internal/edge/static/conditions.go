package static

import (
	"bytes"
	"net/http"
	"time"

	"github.com/asteri/asteri-loop"
)

// conditions are the fields of a request that decide which answer it gets.
type conditions struct {
	ifMatch, ifNoneMatch               bool
	ifModifiedSince, ifUnmodifiedSince []byte
	ranges, ifRange                    []byte
	manyRanges                         bool // more than one Range field
}

const (
	ifMatch           = "If-Match"
	ifNoneMatch       = "If-None-Match"
	ifModifiedSince   = "If-Modified-Since"
	ifUnmodifiedSince = "If-Unmodified-Since"
	ifRange           = "If-Range"
	rangeField        = "Range"
)

// read notes the fields of h. The first of a field that may stand but once counts.
func (c *conditions) read(h *asteri.Header) {
	first := func(at *[]byte, f asteri.Field, name string) {
		if *at == nil && asteri.EqualFold(f.Name, name) {
			*at = f.Value
		}
	}
	for _, f := range h.Fields() {
		switch len(f.Name) {
		case len(rangeField):
			if asteri.EqualFold(f.Name, rangeField) {
				c.manyRanges = c.ranges != nil
				c.ranges = f.Value
			}
		case len(ifMatch):
			c.ifMatch = c.ifMatch || asteri.EqualFold(f.Name, ifMatch)
			first(&c.ifRange, f, ifRange)
		case len(ifNoneMatch):
			c.ifNoneMatch = c.ifNoneMatch || asteri.EqualFold(f.Name, ifNoneMatch)
		case len(ifModifiedSince):
			first(&c.ifModifiedSince, f, ifModifiedSince)
		case len(ifUnmodifiedSince):
			first(&c.ifUnmodifiedSince, f, ifUnmodifiedSince)
		}
	}
}

// evaluate returns the status that the preconditions ask for, in the order of RFC
// 9110 section 13.2.2, or 200.
func (c *conditions) evaluate(h *asteri.Header, v *file) int {
	switch {
	case c.ifMatch:
		if !matches(h, ifMatch, v.etag, strongly) {
			return http.StatusPreconditionFailed
		}
	case c.ifUnmodifiedSince != nil:
		if v.modifiedAfter(c.ifUnmodifiedSince) == yes {
			return http.StatusPreconditionFailed
		}
	}
	switch {
	case c.ifNoneMatch:
		if matches(h, ifNoneMatch, v.etag, weakly) {
			return http.StatusNotModified
		}
	case c.ifModifiedSince != nil:
		if v.modifiedAfter(c.ifModifiedSince) == no {
			return http.StatusNotModified
		}
	}
	return http.StatusOK
}

// answer is that to a question which may have none.
type answer uint8

const (
	unknown answer = iota
	yes
	no
)

// modifiedAfter tells whether v was changed after date. Nothing is known for one
// that is invalid: the field then does not count (RFC 9110 section 13.1.3).
func (v *file) modifiedAfter(date []byte) answer {
	if v.modified.IsZero() {
		return unknown
	}
	if string(date) == v.lastModified { // as most clients send it
		return no
	}
	t, err := http.ParseTime(string(date))
	switch {
	case err != nil:
		return unknown
	case v.modified.After(t):
		return yes
	}
	return no
}

// wantsRange tells whether the Range field counts: If-Range, if it is there,
// holds a strong validator that matches exactly (RFC 9110 section 13.1.5).
func (c *conditions) wantsRange(v *file, now time.Time) bool {
	switch {
	case c.ranges == nil || c.manyRanges:
		return false
	case c.ifRange == nil:
		return true
	case bytes.IndexByte(c.ifRange, '"') >= 0:
		return string(c.ifRange) == v.etag && v.etag[0] == '"'
	}
	// A date is strong if the file cannot have changed twice in its second.
	return v.settled && string(c.ifRange) == v.lastModified && now.Sub(v.modified) > time.Second
}

// comparison is one of the two of RFC 9110 section 8.8.3.2.
type comparison bool

const (
	strongly comparison = true
	weakly   comparison = false
)

// matches tells whether one of the entity tags in the fields called name is etag,
// or "*". A list stops counting where its grammar is broken.
func matches(h *asteri.Header, name, etag string, how comparison) bool {
	opaque, weak := cutWeak([]byte(etag))
	for list := range h.Values(name) {
		for {
			list = bytes.TrimLeft(list, " \t,")
			if len(list) == 0 {
				break
			}
			if list[0] == '*' {
				return true
			}
			tag, tagWeak := cutWeak(list)
			if len(tag) == 0 || tag[0] != '"' {
				break
			}
			end := bytes.IndexByte(tag[1:], '"')
			if end < 0 {
				break
			}
			if bytes.Equal(tag[:end+2], opaque) && (how == weakly || !weak && !tagWeak) {
				return true
			}
			list = tag[end+2:]
		}
	}
	return false
}

// cutWeak takes the prefix that marks weak tags off one.
func cutWeak(tag []byte) (opaque []byte, weak bool) {
	return bytes.CutPrefix(tag, []byte("W/"))
}
