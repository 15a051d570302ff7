// Package uwsgi takes requests by the uwsgi protocol, as nginx sends them with
// uwsgi_pass: a packet of CGI variables (RFC 3875), then the content. The answer
// is in HTTP/1, and ends with the connection.
//
// Whoever speaks it says who the client is and whom it has authenticated, so only
// proxies that are named may.
package uwsgi

import (
	"encoding/binary"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/loop"
)

// Protocol returns the protocol that serves h to the peers in allow, and to those
// at a Unix socket.
func Protocol(allow *addrset.Set, h asteri.Handler, opts ...asteri.Option) loop.Protocol {
	return http1.GatewayProtocol(gateway{allow}, h, opts...)
}

type gateway struct{ allow *addrset.Set }

// Name returns a name that nobody negotiates.
func (gateway) Name() string { return "uwsgi" }

// Match takes connections without ALPN that begin with modifier1Request. No other
// protocol here begins with it.
func (gateway) Match(alpn string, head []byte) loop.Verdict {
	switch {
	case alpn != "" || len(head) > 0 && head[0] != modifier1Request:
		return loop.No
	case len(head) == 0:
		return loop.Maybe
	}
	return loop.Yes
}

// Allow refuses strangers. Whom a proxy does not name is not the proxy.
func (g gateway) Allow(p *asteri.Peer) *asteri.StatusError {
	if p.Remote.IsValid() && g.allow.Contains(p.Remote.Addr()) && (p.Proxy == nil || !p.Proxy.Anonymous) ||
		!p.Remote.IsValid() && p.Network == "unix" && p.Proxy == nil && g.allow.Peer(p.Remote.Addr()) {
		return nil
	}
	return &asteri.StatusError{Code: http.StatusForbidden, Reason: "uwsgi is not taken from this address"}
}

// A packet begins with four bytes: modifier1, the size of the variables (little
// endian), modifier2.
const (
	headerSize = 4
	// modifier1Request is a request with CGI variables. Its modifier2 means
	// nothing.
	modifier1Request = 0
)

// HeadSize returns the size of the packet.
func (gateway) HeadSize(p []byte) (int, *asteri.StatusError) {
	if p[0] != modifier1Request {
		return 0, bad("uwsgi packet is not a request")
	}
	if len(p) < headerSize {
		return 0, nil
	}
	return headerSize + int(binary.LittleEndian.Uint16(p[1:])), nil
}

// ParseHead makes a request of the variables.
func (gateway) ParseHead(p []byte, r *asteri.Request, l *asteri.Limits) *asteri.StatusError {
	v := variables{request: r, limits: l}
	if refusal := v.read(p[headerSize:]); refusal != nil {
		return refusal
	}
	return v.finish()
}

func bad(reason string) *asteri.StatusError {
	return &asteri.StatusError{Code: http.StatusBadRequest, Reason: reason}
}
