package httpfield

import (
	"slices"

	"github.com/asteri/asteri-loop"
)

// Known is a head that was judged, kept to be made again from the same bytes: clients
// mostly repeat themselves. It belongs to one goroutine. The zero value is of no head.
type Known struct {
	method        string
	target        []byte
	path          int // length of the path, which target begins with
	query         bool
	authority     []byte
	contentLength int64
	header        asteri.Header
	facts         RequestFacts
	size          int
}

// maxKnown bounds the bytes of a head that is kept.
const maxKnown = 2 << 10

// Keep copies a head of which End has found no fault, and tells whether it did: the
// unusual is read anew each time.
func (h *RequestHead) Keep(k *Known) bool {
	r := h.req
	usual := h.refusal == nil && r.Protocol == "" && len(r.Path) > 0 && r.Path[0] == '/' && len(r.Route) == len(r.Path) && &r.Route[0] == &r.Path[0]
	if !usual || h.size > maxKnown {
		return false
	}
	k.method, k.contentLength, k.facts, k.size = r.Method, r.ContentLength, h.Facts, h.size
	k.target = append(k.target[:0], r.Target...)
	k.path, k.query = len(r.Path), len(r.Path) < len(r.Target)
	k.authority = append(k.authority[:0], r.Authority...)
	k.header.CopyFrom(&r.Header)
	return true
}

// Again makes the head that k is, as after End.
func (h *RequestHead) Again(k *Known) {
	r := h.req
	h.size, h.Facts = k.size, k.facts
	n := len(k.target)
	h.arena = append(slices.Grow(h.arena, n+len(k.authority)), k.target...)
	h.arena = append(h.arena, k.authority...)
	r.Method, r.ContentLength = k.method, k.contentLength
	r.Target, r.Authority = h.arena[:n:n], h.arena[n:len(h.arena):len(h.arena)]
	r.Path = r.Target[:k.path:k.path]
	if k.query {
		r.Query = r.Target[k.path+1:]
	}
	r.Route = r.Path
	r.Header.CopyFrom(&k.header)
}
