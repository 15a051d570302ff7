package loop

import (
	"errors"
	"net/netip"
	"time"

	"github.com/asteri/asteri-loop/loop/internal/proxyproto"
)

// ProxyProtocol says which versions of the PROXY protocol a listener takes from
// proxies.
type ProxyProtocol uint8

// The choices. ProxyAny takes the version that the first bytes show.
const (
	ProxyOff ProxyProtocol = 0
	ProxyV1                = ProxyProtocol(proxyproto.V1)
	ProxyV2                = ProxyProtocol(proxyproto.V2)
	ProxyAny               = ProxyProtocol(proxyproto.Any)
)

// proxyReader is the session of a connection at a listener for the PROXY
// protocol, before anything else is known of it. A proxy must begin with a
// header, since a receiver that guesses would take a client's bytes for one;
// anybody else must not.
type proxyReader struct {
	greeting
	required bool
}

func newProxyReader(c *conn, ln *Listener) *proxyReader {
	c.setTimer(int(detectTimer), c.loop.engine.cfg.HandshakeTimeout)
	return &proxyReader{greeting{conn: c, listener: ln}, ln.isProxy(c.info.Remote.Addr())}
}

// isProxy tells whether connections from addr must begin with a PROXY header.
func (ln *Listener) isProxy(addr netip.Addr) bool {
	return ln.cfg.ProxyProtocol != ProxyOff && ln.cfg.Proxies != nil && ln.cfg.Proxies(addr)
}

// OnData reads the header, or sees to it that there is none.
func (r *proxyReader) OnData(in []byte) (int, error) {
	r.begun = true
	if !r.required {
		switch begins, more := proxyproto.Any.Begins(in); {
		case begins != 0:
			return 0, r.refuse(refusedProxyStranger, errNotProxy)
		case more:
			return 0, nil // a few bytes at most
		}
		r.proceed()
		return 0, nil
	}
	h, size, err := proxyproto.Version(r.listener.cfg.ProxyProtocol).Parse(in)
	var fault proxyproto.Fault
	switch {
	case errors.As(err, &fault):
		return 0, r.refuse(proxyRefusals[fault], err)
	case size == 0:
		return 0, nil // bounded by proxyproto.MaxSize
	}
	r.adopt(&h)
	if !r.conn.count() {
		return 0, Overloaded
	}
	r.proceed()
	return size, nil
}

// proxyRefusals are what the faults of a header count as.
var proxyRefusals = map[proxyproto.Fault]refusal{
	proxyproto.Missing: refusedProxyMissing, proxyproto.Malformed: refusedProxyMalformed, proxyproto.TooLong: refusedProxyTooLong,
	proxyproto.Unsupported: refusedProxyUnsupported, proxyproto.Checksum: refusedProxyChecksum,
}

var errNotProxy = errors.New("PROXY header from a peer that is no proxy")

// adopt makes the addresses in the header those of the connection. If there are
// none they stay those of the socket, as the specification has it, and Anonymous
// says so: not even LOCAL proves that nobody is behind the proxy, for HAProxy says
// it of clients at a Unix socket too.
func (r *proxyReader) adopt(h *proxyproto.Header) {
	info := &r.conn.info
	info.Proxied = true
	if !h.Source.IsValid() {
		info.Anonymous = true
		return
	}
	info.Remote = h.Source
	if h.Destination.IsValid() {
		info.local = h.Destination
	}
}

// proceed hands the connection on as if it had just come, with the bytes behind
// the header.
func (r *proxyReader) proceed() {
	c := r.conn
	c.SetTimer(detectTimer, 0)
	c.Replace(r.listener.firstSession(c))
}

// refuse counts and reports a mistake, and returns it. Mistakes of proxies are
// mostly of those who set them up, and should be seen; those of others are not.
func (r *proxyReader) refuse(why refusal, err error) error {
	l := r.conn.loop
	l.engine.refused.add(why)
	if r.required && l.now.Sub(l.proxyWarned) > proxyWarning {
		l.proxyWarned = l.now
		l.log.Warn("a proxy's connection is refused", "remote", r.conn.info.Remote, "error", err)
	}
	return err
}

// proxyWarning is how often each loop tells the log of proxies' mistakes.
const proxyWarning = 10 * time.Second

// OnTimer gives up on a header that does not come to its end.
func (r *proxyReader) OnTimer(Timer) { r.conn.Abort(r.incomplete()) }

// OnEOF ends a header that is cut short.
func (r *proxyReader) OnEOF() {
	if r.begun {
		r.conn.Abort(r.incomplete())
		return
	}
	r.greeting.OnEOF()
}

// incomplete counts a header that will not come to its end, if it was begun: who
// sends nothing may only have looked whether somebody listens.
func (r *proxyReader) incomplete() error {
	if !r.begun {
		return Unrecognized
	}
	return r.refuse(refusedProxyIncomplete, errIncomplete)
}

var errIncomplete = errors.New("PROXY header is incomplete")
