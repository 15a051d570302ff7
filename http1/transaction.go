package http1

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
)

// transaction is one request of a connection and its response. Its side towards the
// exchange is exchange.Wire: see response.go.
type transaction struct {
	exchange.Exchange
	session *session // of the connection; its x is this until the exchange is over

	keepAlive  bool // the connection may serve another request
	upgradable bool // the client offers to upgrade
	modern     bool // the client knows chunks and interim responses
	framing    contentFraming
}

// begin makes x that of the request whose head is p.
func (x *transaction) begin(s *session, h *head, p []byte) {
	x.session = s
	x.Init(s.at.Local, x, h.version, &s.peer)
	x.keepAlive = h.persistent() && !s.stopping && !s.at.Settings.NoKeepAlive
	x.modern = h.version == asteri.HTTP11
	x.upgradable = h.upgrade && x.modern
	arena := x.Keep(p)
	r := x.Request()
	r.Method = h.method
	r.Target = h.target.of(arena)
	r.Path = h.path.of(arena)
	r.Query = h.query.of(arena)
	r.Authority = h.host.of(arena)
	if h.form != originForm {
		h.fixTarget(r, arena)
	}
	if r.Route, r.Ambiguous = r.Path, false; !h.plain {
		r.Route, r.Ambiguous = urlpath.Normal(r.Path)
	}
	r.ContentLength = h.length
	if h.chunked {
		r.ContentLength = -1
	}
	x.Client(h.expects100 && x.modern && r.ContentLength != 0, x.modern)
	r.Received = s.at.loop.Now()
	h.copyFields(&r.Header, arena)
}

// fixTarget sets what is not as in origin-form. The host of an absolute target
// wins over Host, and its path is never empty, RFC 9112 section 3.2.
func (h *head) fixTarget(r *asteri.Request, arena []byte) {
	if h.form == asteriskForm {
		return
	}
	r.Authority = h.authority.of(arena)
	if h.form == absoluteForm && h.path.empty() {
		r.Path = []byte("/")
		if h.method == "OPTIONS" && h.query.empty() {
			r.Path = []byte("*") // section 3.2.4
		}
	}
}

// addedFields is how many fields handlers add to a request, for which there is room:
// an id and the place in a trace.
const addedFields = 2

// copyFields fills dst with the fields, as views of p.
func (h *head) copyFields(dst *asteri.Header, p []byte) {
	dst.Reset()
	dst.Grow(len(h.fields) + addedFields)
	for i := range h.fields {
		name, value := &h.fields[i].name, &h.fields[i].value
		dst.Append(p[name.from:name.to:name.to], p[value.from:value.to:value.to])
	}
}

// Recycle has x used again, unless that was done before.
func (x *transaction) Recycle() bool {
	s := x.session
	if s == nil || s.x == x {
		return false
	}
	s.at.putTransaction(x)
	return true
}
