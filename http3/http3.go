// Package http3 speaks HTTP/3 (RFC 9114) to clients, with QPACK (RFC 9204) without
// its dynamic table, extended CONNECT (RFC 9220) and priorities (RFC 9218). QUIC is
// quic-go's; everything above it is here.
//
// The parts: Server is a UDP socket; session is one connection; serverStream one
// request stream with its exchange (package internal/protocol/exchange); reader takes apart what
// comes on it, on a goroutine of readers; output is what it has to send, for which there
// is a goroutine while that is much; encoder is a pure codec.
//
// # Who runs where
//
// quic-go has goroutines of its own and streams that block. Each connection has a
// home, one of the engine's loops, which owns the session's state and all exchanges.
// A goroutine for each request reads the head and then the content, and posts both
// home; content only as far as its handler has consumed what came before. A response
// that fits into a few packets is given to QUIC by the home itself, which does not
// block; what is more goes through a goroutine, a piece at a time.
//
// # What a client may cost
//
// A stream counts against MaxConcurrentStreams until it is closed and its handler
// done, also when it was reset. Streams that end with an error, whoever finds it, and
// frames that ask for nothing are paid from token buckets, which fill with time; who empties
// one is told H3_EXCESSIVE_LOAD. What is read ahead of a handler is bounded by its
// window, in bytes and in pieces. A client that shows too many addresses, or too many
// at the same time, has to prove them before anything is kept for it. A request that
// comes in early data (0-RTT) may be a replay: if its method is not safe it is
// answered 425 (RFC 8470).
package http3

import (
	"cmp"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// ALPN is the protocol's name in TLS.
const ALPN = "h3"

// Config are the settings of HTTP/3 alone. Zero values mean the defaults, except
// where there is none.
type Config struct {
	// Addr is the UDP address to listen on: "[::1]:443", or ":8443" for every
	// address of both families. Required without Socket.
	Addr string
	// Socket, if not nil, is a bound socket to use, as Bind makes one. The
	// server closes it.
	Socket *net.UDPConn
	// Succession is for a server in whose place another process's comes.
	Succession Succession
	// TLS returns the configuration for new connections, always the same one
	// until it is to change. The names of protocols in it do not count.
	// Required.
	TLS func() *tls.Config
	// MaxConcurrentStreams is how many requests a client may have open at a
	// time on one connection. Default 100.
	MaxConcurrentStreams int
	// StreamWindow is how many bytes of content a client may send on a stream
	// before its handler has consumed some. It grows up to ConnectionWindow for
	// handlers that keep up. Default 64 KiB.
	StreamWindow int
	// ConnectionWindow is the same for a whole connection; it grows to the
	// fourfold while there is memory. Default 1 MiB.
	ConnectionWindow int
	// StallTimeout is how long a client may take for 8 KiB of a response that
	// waits for it.
	// Default 30 s; negative: for ever.
	StallTimeout time.Duration
	// HandshakeTimeout is for a connection to be established. Default 10 s.
	HandshakeTimeout time.Duration
	// NoEarlyData refuses requests in early data (0-RTT), which are otherwise
	// served if their method is safe.
	NoEarlyData bool
}

func (c Config) withDefaults() Config {
	c.MaxConcurrentStreams = cmp.Or(c.MaxConcurrentStreams, 100)
	c.StreamWindow = cmp.Or(c.StreamWindow, asteri.BodyWindow)
	c.ConnectionWindow = max(cmp.Or(c.ConnectionWindow, 1<<20), c.StreamWindow)
	c.StallTimeout = cmp.Or(c.StallTimeout, 30*time.Second)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	return c
}

// The life of an idle connection is the session's to end; the transport only has to
// notice that a client is gone. Its probes go out often enough to keep the path
// through address translators open (RFC 9308 section 3.2).
const (
	transportIdle  = 60 * time.Second
	transportProbe = 20 * time.Second
	// maxUniStreams is for the client's control stream, the two of QPACK, and
	// some whose types nobody knows.
	maxUniStreams = 8
)

// quicConfig returns the settings of the transport. roomy tells whether there is
// memory for larger windows.
func (c Config) quicConfig(roomy func() bool) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           c.HandshakeTimeout / 2, // the whole may take twice that
		MaxIdleTimeout:                 transportIdle,
		KeepAlivePeriod:                transportProbe,
		InitialStreamReceiveWindow:     uint64(c.StreamWindow),
		MaxStreamReceiveWindow:         uint64(c.ConnectionWindow),
		InitialConnectionReceiveWindow: uint64(c.ConnectionWindow),
		MaxConnectionReceiveWindow:     uint64(4 * c.ConnectionWindow),
		AllowConnectionWindowIncrease:  func(*quic.Conn, uint64) bool { return roomy() },
		MaxIncomingStreams:             int64(c.MaxConcurrentStreams),
		MaxIncomingUniStreams:          maxUniStreams,
		RequireStreamCreditRelease:     true,
		Allow0RTT:                      !c.NoEarlyData,
	}
}

// tlsConfig returns the configuration of the handshake. That of a connection is
// derived from what c.TLS returns, once for as long as that is the same: a new
// certificate counts for new connections, and tickets stay good, since their keys are
// those of the outer configuration.
func (c Config) tlsConfig() *tls.Config {
	var mu sync.Mutex
	var from, derived *tls.Config
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{ALPN},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			current := c.TLS()
			mu.Lock()
			defer mu.Unlock()
			if current != from || derived == nil {
				from, derived = current, current.Clone()
				derived.NextProtos = []string{ALPN}
				derived.MinVersion = tls.VersionTLS13
			}
			return derived, nil
		},
	}
}

// settingsOf is for a protocol whose clients know of it.
func settingsOf(h asteri.Handler, opts []asteri.Option) asteri.Settings {
	s := httpfield.Settings(h, opts...)
	s.AltSvc = ""
	return s
}
