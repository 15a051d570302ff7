package httpfield

import (
	"bytes"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
)

// End judges the head as a whole. ended tells that the request has no content,
// extended that the server has offered extended CONNECT (RFC 8441, RFC 9220). A
// malformed request ends its stream; a refused one, which was understood, is
// answered. The request is complete in both cases but the first, except for
// Proto, Scheme, Received and Peer.
func (h *RequestHead) End(ended, extended bool) (*asteri.StatusError, error) {
	if h.fault == "" && h.refusal == nil {
		h.check(extended)
	}
	if h.fault != "" {
		return nil, h.fault
	}
	h.joinCookies()
	r := h.req
	if ended {
		if r.ContentLength > 0 {
			return nil, Malformed("less content than content-length")
		}
		r.ContentLength = 0
	}
	switch {
	case h.refusal != nil:
	case r.Method == "CONNECT" && r.Protocol == "":
		h.refuse(501, "this is not a proxy: CONNECT is not supported")
	case h.Facts.expects && !h.Facts.Expects100:
		h.refuse(417, "expectation is not known")
	case r.ContentLength > h.limits.Body:
		h.refuse(413, "content is too long")
	}
	h.Facts.Expects100 = h.Facts.Expects100 && !ended
	return h.refusal, nil
}

// EndTrailer judges a trailer section.
func (h *RequestHead) EndTrailer() (*asteri.StatusError, error) {
	switch {
	case h.fault != "":
		return nil, h.fault
	case h.hosts > 0 || h.lengths > 0: // RFC 9110 section 6.5.1
		return nil, Malformed("trailer has a field that belongs into the head")
	}
	h.joinCookies()
	return h.refusal, nil
}

// check sees to the control data of a request, RFC 9113 section 8.3.1.
func (h *RequestHead) check(extended bool) {
	const required = pseudoMethod | pseudoScheme | pseudoPath
	connect := h.req.Method == "CONNECT"
	plain := connect && h.pseudo&pseudoProtocol == 0
	switch {
	case h.pseudo&pseudoProtocol != 0 && (!connect || !extended):
		h.fault = ":protocol was not offered, or not for this method"
	case h.pseudo&pseudoProtocol != 0 && !IsToken(h.req.Protocol):
		h.fault = "invalid :protocol"
	case plain && h.pseudo&(pseudoScheme|pseudoPath) != 0:
		h.fault = "CONNECT with :scheme or :path"
	case !plain && h.pseudo&required != required:
		h.fault = ":method, :scheme or :path is missing"
	case !IsToken(h.req.Method):
		h.fault = "invalid :method"
	case connect && h.pseudo&pseudoAuthority == 0:
		h.fault = "CONNECT without :authority"
	case !h.checkAuthority(plain) || plain:
	case !FoldIs(h.scheme, "http") && !FoldIs(h.scheme, "https"):
		h.refuse(400, "scheme is neither http nor https")
	default:
		h.checkPath()
	}
}

// checkAuthority finds the authority. A Host field that says something else is a
// shape in which requests are smuggled.
func (h *RequestHead) checkAuthority(plain bool) bool {
	r := h.req
	switch {
	case h.hosts > 1:
		h.fault = "more than one host"
	case h.pseudo&pseudoAuthority == 0:
		r.Authority = h.host
	case h.hosts == 1 && !bytes.EqualFold(h.host, r.Authority):
		h.fault = "host differs from :authority"
	}
	switch {
	case h.fault != "":
	case len(r.Authority) == 0:
		h.fault = "no authority"
	case !ValidAuthority(r.Authority), plain && !HasPort(r.Authority):
		h.fault = "invalid authority"
	}
	if plain {
		r.Target = r.Authority
	}
	return h.fault == ""
}

func (h *RequestHead) checkPath() {
	r := h.req
	question, plain, ok := ValidPath(r.Target)
	switch {
	case len(r.Target) == 0:
		h.fault = ":path is empty"
		return
	case r.Target[0] != '/' && (string(r.Target) != "*" || r.Method != "OPTIONS"):
		h.fault = ":path does not begin with a slash"
		return
	case !ok:
		h.fault = "invalid :path"
		return
	}
	r.Path, r.Query = r.Target, nil
	if question >= 0 {
		r.Path, r.Query = r.Target[:question:question], r.Target[question+1:]
	}
	if r.Route, r.Ambiguous = r.Path, false; !plain {
		r.Route, r.Ambiguous = urlpath.Normal(r.Path)
	}
}
