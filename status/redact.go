package status

import (
	"bytes"
	"net/url"

	"github.com/asteri/asteri-loop"
)

// Redacting returns an observer that tells next of exchanges as they were, but for the
// token. It is for all that write of requests, so that no answer, whoever gives it and
// however early, takes the token into a log or a trace.
func (s *Monitor) Redacting(next asteri.Observer) asteri.Observer {
	if next == nil || s.opts.Token == "" {
		return next
	}
	return &redacting{next, s}
}

type redacting struct {
	next asteri.Observer
	of   *Monitor
}

var _ asteri.TunnelObserver = (*redacting)(nil)

// ExchangeDone implements asteri.Observer.
func (d *redacting) ExchangeDone(r *asteri.Record) { d.next.ExchangeDone(d.of.redact(r)) }

// TunnelOpened implements asteri.TunnelObserver.
func (d *redacting) TunnelOpened(r *asteri.Record) asteri.TunnelClosed {
	return asteri.OpenTunnel(d.next, d.of.redact(r))
}

// What is in place of something that holds the token.
var redacted = []byte("redacted")

// redact returns r, or a copy of it without the token: in the target, in a page that
// led here, in where the answer leads.
func (s *Monitor) redact(r *asteri.Record) *asteri.Record {
	if r.Request == nil {
		return r
	}
	inTarget := s.tells(r.Request.Target) || s.tells(r.Request.Query)
	inReferer := s.tells(r.Request.Header.Get("Referer"))
	inLocation := r.Header != nil && s.tells(r.Header.Get("Location"))
	if !inTarget && !inReferer && !inLocation {
		return r
	}
	safe, q := *r, *r.Request
	safe.Request = &q
	if inTarget {
		q.Target, q.Query = q.Path, redacted
		if s.tells(q.Path) {
			q.Target, q.Path = redacted, redacted
		} else {
			q.Target = append(append(bytes.Clone(q.Path), '?'), redacted...)
		}
	}
	if inReferer {
		q.Header = *q.Header.Clone()
		q.Header.Set("Referer", string(redacted))
	}
	if inLocation {
		safe.Header = r.Header.Clone()
		safe.Header.Set("Location", string(redacted))
	}
	return &safe
}

// tells tells whether the token is in p, as it is or percent-encoded.
func (s *Monitor) tells(p []byte) bool {
	token := s.opts.Token
	if len(p) < len(token) || token == "" {
		return false
	}
	if bytes.Contains(p, []byte(token)) {
		return true
	}
	return bytes.IndexByte(p, '%') >= 0 && bytes.Contains(unescape(p), []byte(token))
}

// unescape decodes what is percent-encoded, and leaves what only looks so.
func unescape(p []byte) []byte {
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if c, err := url.PathUnescape(string(p[i : i+3])); err == nil {
				b = append(b, c...)
				i += 2
				continue
			}
		}
		b = append(b, p[i])
	}
	return b
}
