package compress

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// facts is what the fields of a response say that matters here.
type facts struct {
	contentType []byte
	length      int64 // -1 if it is not announced
	fixed       bool  // the content may not be changed, or is coded already
	valid       bool  // of Content-Length: there is at most one, and it is a number
	etag        []byte
}

func readFacts(h *asteri.Header) facts {
	k := facts{length: -1, valid: true}
	for _, f := range h.Fields() {
		switch len(f.Name) {
		case len("ETag"):
			if asteri.EqualFold(f.Name, "ETag") {
				k.etag = f.Value
			}
		case len("Digest"):
			k.fixed = k.fixed || asteri.EqualFold(f.Name, "Digest")
		case len("Content-MD5"): // and of Repr-Digest
			k.fixed = k.fixed || asteri.EqualFold(f.Name, "Content-MD5") || asteri.EqualFold(f.Name, "Repr-Digest")
		case len("Content-Type"):
			if k.contentType == nil && asteri.EqualFold(f.Name, "Content-Type") {
				k.contentType = f.Value
			}
		case len("Cache-Control"): // and of Content-Range
			k.fixed = k.fixed || asteri.EqualFold(f.Name, "Content-Range") ||
				asteri.EqualFold(f.Name, "Cache-Control") && httpfield.HasItem(f.Value, "no-transform")
		case len("Content-Length"): // and of Content-Digest
			if asteri.EqualFold(f.Name, "Content-Length") {
				k.noteLength(f.Value)
			}
			k.fixed = k.fixed || asteri.EqualFold(f.Name, "Content-Digest")
		case len("Content-Encoding"):
			k.fixed = k.fixed || asteri.EqualFold(f.Name, "Content-Encoding")
		}
	}
	return k
}

func (k *facts) noteLength(value []byte) {
	n, err := strconv.ParseUint(string(value), 10, 63)
	k.valid = k.valid && err == nil && k.length < 0
	k.length = int64(n)
}

// verdict says what is to be done with a response.
type verdict uint8

const (
	asItIs  verdict = iota
	varies          // it would be another for another Accept-Encoding
	encoded         // it is to be coded
)

// judge decides on a response whose content has length bytes, -1 if that is
// unknown.
func (h *handler) judge(status int, k *facts, length int64) verdict {
	switch {
	case status < 200 || status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified,
		!k.valid, !h.compressible(k.contentType):
		return asItIs
	case status == http.StatusPartialContent: // of what as a whole would be coded
		return varies
	case k.fixed, length >= 0 && length < h.minLength:
		return asItIs
	}
	return encoded
}

// vary makes dst a copy of src that says that the response depends on
// Accept-Encoding.
func vary(dst, src *asteri.Header) *asteri.Header {
	dst.CopyFrom(src)
	for list := range src.Values("Vary") {
		if httpfield.HasItem(list, accept.Header) || httpfield.HasItem(list, "*") {
			return dst
		}
	}
	dst.Add("Vary", accept.Header)
	return dst
}

// encode makes dst a copy of src for content that is coded. Its length is another,
// ranges of it are not to be had, and an entity tag identifies it no more byte for
// byte (RFC 9110 section 8.8.1).
func encode(dst, src *asteri.Header, k *facts, c accept.Coding) *asteri.Header {
	vary(dst, src)
	dst.Del("Content-Length")
	dst.Del("Accept-Ranges")
	dst.Add("Content-Encoding", c.String())
	weaken(dst, k.etag)
	return dst
}

func weaken(h *asteri.Header, etag []byte) {
	if len(etag) > 0 && etag[0] == '"' {
		h.Set("ETag", "W/"+string(etag))
	}
}

// revalidated makes dst a copy of src, the head of a 304 (Not Modified), if the
// client has asked with the weak tag that its copy got from encode: the answer then
// has to say the same (RFC 9111 section 4.3.4). Else it returns src.
func revalidated(dst, src *asteri.Header, r *asteri.Request, etag []byte) *asteri.Header {
	if len(etag) == 0 || etag[0] != '"' {
		return src
	}
	for list := range r.Header.Values("If-None-Match") {
		if i := bytes.Index(list, etag); i >= 2 && list[i-2] == 'W' && list[i-1] == '/' {
			weaken(vary(dst, src), etag)
			return dst
		}
	}
	return src
}
