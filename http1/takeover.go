package http1

import (
	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// Takeover names another protocol that takes connections over whose clients ask for
// it in an Upgrade field (RFC 9110 section 7.8), before a handler sees the request.
type Takeover struct {
	// Token is the name of the protocol in the field.
	Token string
	// Session returns the session that goes on, having sent 101 (Switching
	// Protocols), or nil: then the request is served as any other. r has no
	// content; its slices live until Session returns.
	Session func(c loop.Conn, r *asteri.Request) loop.Session
}

// Protocol is like the function of that name, with connections taken over as t says.
func (t Takeover) Protocol(h asteri.Handler, opts ...asteri.Option) loop.Protocol {
	p := newProtocol(h, opts...)
	p.takeover = &t
	return p
}

// takenOver hands the connection over if the request of x asks for it.
func (s *session) takenOver(x *transaction) bool {
	t := s.at.takeover
	if t == nil || !x.upgradable || s.stopping || !s.body.done() || !x.offered(t.Token) {
		return false
	}
	s.startTimer(timerNone, 0)
	next := t.Session(s.conn, x.Request())
	if next == nil {
		return false
	}
	s.phase = phaseOver
	s.at.putTransaction(x)
	s.conn.Replace(next)
	return true
}
