package http2

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/loop"
)

// UpgradeToken is the name in an Upgrade field by which a client of HTTP/1.1 asks for
// HTTP/2 without TLS.
const UpgradeToken = "h2c"

var switching = []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")

// Upgrade takes a connection over whose client has asked for it in r, a request
// without content in HTTP/1.1 (RFC 7540 section 3.2; RFC 9113 has done away with it).
// p is what Protocol has returned. The request is served as stream 1. Upgrade
// returns nil, having done nothing, if the client does not ask as it should, over TLS, or
// if p is of another kind.
//
// Proxies that pass an Upgrade field on do not see the requests that follow. So this
// is for clients only that are trusted to ask for what they may.
func Upgrade(p loop.Protocol, c loop.Conn, r *asteri.Request) loop.Session {
	ours, known := p.(*protocol)
	settings, ok := upgradeSettings(r)
	if !known || !ok || r.Peer.TLS != nil || r.HasBody() {
		return nil
	}
	at := ours.local(c.Loop())
	c.Write(switching)
	s := newSession(c, at)
	for ; len(settings) > 0; settings = settings[6:] {
		// They count as acknowledged by the 101.
		if err := s.setting(binary.BigEndian.Uint16(settings), binary.BigEndian.Uint32(settings[2:]), true); err != nil {
			s.fail(err)
			return s
		}
	}
	b := at.takeBlock()
	b.id, b.endStream, b.unlike = 1, true, true
	s.beginRequest(b)
	copyRequest(b.head, r)
	if err := s.endRequest(b, nil); err != nil {
		s.failed(err)
	}
	at.putBlock(b)
	return s
}

// upgradeSettings returns the payload of a SETTINGS frame that the request carries.
// The field must be there once, and named in Connection.
func upgradeSettings(r *asteri.Request) (payload []byte, ok bool) {
	const field = "HTTP2-Settings"
	n := 0
	for v := range r.Header.Values(field) {
		n++
		payload = make([]byte, base64.RawURLEncoding.DecodedLen(len(v)))
		if _, err := base64.RawURLEncoding.Decode(payload, v); err != nil {
			return nil, false
		}
	}
	return payload, n == 1 && httpfield.ListsItem(&r.Header, "Connection", field) && len(payload)%6 == 0
}

// copyRequest writes a request of HTTP/1.1 as one of HTTP/2, without the fields that
// are about the connection.
func copyRequest(h *httpfield.RequestHead, r *asteri.Request) {
	path := string(r.Path)
	if len(r.Query) > 0 {
		path += "?" + string(r.Query)
	}
	h.Add(":method", r.Method)
	h.Add(":scheme", r.Scheme)
	h.Add(":authority", string(r.Authority))
	h.Add(":path", path)
	for _, f := range r.Header.Fields() {
		name := string(httpfield.AppendLower(nil, f.Name))
		switch name {
		case "connection", "upgrade", "http2-settings", "host", "te", "keep-alive", "proxy-connection":
			continue
		}
		h.Add(name, string(f.Value))
	}
}
