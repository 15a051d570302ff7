package http3

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"net"

	"github.com/quic-go/quic-go"
)

// Succession is what a server has in common with that of the process before it, or behind
// it, at the same socket. The zero value is that of a first one.
type Succession struct {
	// Secret is what makes tokens and resets of one known to the other. Default: random
	// bytes.
	Secret []byte
	// Generation is 0 or 1, and not that of the other one: ids of connections tell.
	Generation byte
	// Before, if not nil, is a socket of datagrams to which packets of the connections go
	// that the process before has. The server closes it.
	Before *net.UnixConn
	// Paused has the server read no packets until Resume.
	Paused bool
}

// GenerateConnectionID implements quic.ConnectionIDGenerator.
func (g ids) GenerateConnectionID() (quic.ConnectionID, error) {
	var id [idLength]byte
	_, _ = rand.Read(id[:])
	id[0] = id[0]&^1 | g.generation&1
	return quic.ConnectionIDFromBytes(id[:]), nil
}

// key derives a key for a purpose.
func (s *Succession) key(purpose string) (key [32]byte) {
	if len(s.Secret) == 0 {
		_, _ = rand.Read(key[:])
		return key
	}
	derived, err := hkdf.Key(sha256.New, s.Secret, nil, purpose, len(key))
	if err != nil { // which too long a key would be
		panic(err)
	}
	return [32]byte(derived)
}

// Pause has the server read no packets any more until Resume, or HandOver: they wait in the
// system, for another process.
func (s *Server) Pause() { s.udp.read(fromNowhere, nil) }

// Resume has the server read the socket.
func (s *Server) Resume() { s.udp.read(fromNetwork, nil) }

// HandOver has the packets of the server's connections come from the process that reads the
// socket now: by its Succession.Before, of which successor is the other end. The server
// closes that.
func (s *Server) HandOver(successor *net.UnixConn) { s.udp.read(fromSuccessor, successor) }

// Socket returns the socket, for another process to have a duplicate of. It is the
// server's.
func (s *Server) Socket() *net.UDPConn { return s.udp.UDPConn }
