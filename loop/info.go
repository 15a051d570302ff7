package loop

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// ConnInfo tells about a connection. It does not change after the session has
// been made, and may then be read from any goroutine.
type ConnInfo struct {
	// Network is "tcp" or "unix", or "link" for an adopted socket.
	Network string
	// Remote is the client's address: the peer's for "tcp", or what a PROXY
	// header says.
	Remote netip.AddrPort
	// Proxied says that the connection began with a PROXY header: the client
	// is not at the other end of it. Anonymous says that the header named no
	// client, so that Remote is the proxy's address and proves nothing.
	Proxied, Anonymous bool
	counted            bool // as a connection of Remote
	// SocketPath is the listener's path, for "unix".
	SocketPath string
	// TLS is nil for a plain connection.
	TLS *tls.ConnectionState
	// Accepted is when the connection was taken from the listener.
	Accepted time.Time

	local netip.AddrPort
}

// Local returns the address that the client connected to, for TCP: that of the
// socket, or what a PROXY header says. It may be called from any goroutine, also after
// the connection's end.
func (i *ConnInfo) Local() netip.AddrPort { return i.local }
