package asteri

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"
)

// Proto is the version of HTTP that a request came with.
type Proto uint8

// The protocol versions.
const (
	HTTP10 Proto = iota + 1
	HTTP11
	HTTP2
	HTTP3
)

// String returns the version as in a status line, for example "HTTP/1.1".
func (p Proto) String() string {
	switch p {
	case HTTP10:
		return "HTTP/1.0"
	case HTTP11:
		return "HTTP/1.1"
	case HTTP2:
		return "HTTP/2"
	case HTTP3:
		return "HTTP/3"
	}
	return "HTTP/?"
}

// Request is the head of a request, in the words of RFC 9110. Its slices follow
// the lifetime rule of Exchange; whoever wants one for longer copies it.
type Request struct {
	// Method is case-sensitive, as received.
	Method string
	// Proto is the version of HTTP.
	Proto Proto
	// Protocol is what an extended CONNECT asks the stream to become, such
	// as "websocket" (RFC 8441, RFC 9220). It is empty for every other
	// request, also for one with an Upgrade field.
	Protocol string
	// Scheme is "http" or "https".
	Scheme string
	// Target is the request target as received: origin-form,
	// absolute-form, authority-form or asterisk-form (RFC 9112 section 3.2).
	Target []byte
	// Authority is the host and optional port that the request is for: from
	// the target if it names one, else from Host. Empty if neither does.
	Authority []byte
	// Path is the path of the target, still percent-encoded; "*" for
	// asterisk-form, empty for authority-form.
	Path []byte
	// Route is Path in the normal form of RFC 3986 section 6.2.2: characters that
	// need no percent-encoding are decoded and dot segments resolved. What decides
	// by a path, such as where to pass a request on, decides by this one, so that
	// no spelling of a path gets round it.
	Route []byte
	// Ambiguous tells that some servers, having decoded Route once more or in
	// another order, find dot segments in it, as in "/a/..%2fb". Who maps Route to
	// what others resolve should refuse such a request.
	Ambiguous bool
	// Query is what follows the first "?", without it, still encoded.
	Query []byte
	// Header holds the fields in the order received. For HTTP/1.1 the
	// names keep their case.
	Header Header
	// ContentLength is the length of the body in bytes, 0 if there is none,
	// or -1 if it is not known before its end.
	ContentLength int64
	// Received is when the head was complete.
	Received time.Time
	// Handling is what handlers note for the observer. It alone is theirs to
	// change.
	Handling Handling
	// Peer tells about the connection. It is shared by all requests of the
	// connection and not written after its start. A handler that knows better
	// on whose behalf a request was sent replaces it, and Scheme and
	// Authority, before it passes the exchange on.
	Peer *Peer
}

// Peer tells about a connection and who is at its other end.
type Peer struct {
	// Remote and Local are the addresses of the client and of what it
	// connected to, if that was by TCP or QUIC, as far as they are known; what
	// is behind a proxy is known by what the proxy says.
	Remote, Local netip.AddrPort
	// Network is "tcp", "unix" or "udp".
	Network string
	// SocketPath is the listener's path for "unix".
	SocketPath string
	// TLS is nil for a plain connection. It is that of the connection; a
	// certificate is left out where a trusted proxy speaks for the client, whose
	// it is not.
	TLS *tls.ConnectionState
	// Proxy is nil unless a trusted proxy has spoken for the client: by a
	// PROXY header, by Forwarded or X-Forwarded-For, or by a protocol that is
	// for proxies.
	Proxy *Proxy
}

// Proxy is what a trusted proxy says beside the client's address.
type Proxy struct {
	// Anonymous says that the proxy named no client: Peer.Remote is the
	// proxy's own address, and vouches for nobody.
	Anonymous bool
	// User is whom the proxy has authenticated: REMOTE_USER of RFC 3875. Empty
	// if nobody.
	User string
	// Root is the beginning of the path that the proxy maps to the
	// application: SCRIPT_NAME. Empty if the proxy does not say.
	Root string
}

// HasBody tells whether the request carries content to be read.
func (r *Request) HasBody() bool { return r.ContentLength != 0 }

// LogAttr returns what names the request in a log record: method, path, and as far
// as it has them request_id and trace_id. They are attributes beside the record's
// others, not a group.
func (r *Request) LogAttr() slog.Attr {
	attrs := make([]any, 0, 4)
	attrs = append(attrs, slog.String("method", r.Method), slog.String("path", string(r.Path)))
	if r.Handling.ID != "" {
		attrs = append(attrs, slog.String("request_id", r.Handling.ID))
	}
	if !r.Handling.Trace.IsZero() {
		attrs = append(attrs, slog.String("trace_id", r.Handling.Trace.ID()))
	}
	return slog.Group("", attrs...)
}
