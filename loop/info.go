package loop

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// ConnInfo tells about a connection. It does not change after the session has
// been made.
type ConnInfo struct {
	// Network is "tcp" or "unix", or "link" for an adopted socket.
	Network string
	// Remote is the peer's address, for "tcp".
	Remote netip.AddrPort
	// SocketPath is the listener's path, for "unix".
	SocketPath string
	// TLS is nil for a plain connection.
	TLS *tls.ConnectionState
	// Accepted is when the connection was taken from the listener.
	Accepted time.Time

	fd    int
	local netip.AddrPort
}
