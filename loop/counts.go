package loop

import (
	"crypto/tls"
	"slices"
	"sync"
	"sync/atomic"
)

// ProtocolStats are counts of the connections that speak one protocol.
type ProtocolStats struct {
	// Protocol is its Name; empty for connections that have not shown yet what
	// they speak.
	Protocol string
	// Open is the number of connections.
	Open int64
}

// HandshakeStats are counts of TLS handshakes since the start.
type HandshakeStats struct {
	// Version is that of TLS, such as tls.VersionTLS13; 0 for handshakes that
	// have failed.
	Version uint16
	// Resumed says that a former session was taken up again.
	Resumed bool
	Count   uint64
}

// spoken counts the connections of a loop by protocol. The loop writes; the lock is
// taken only for a protocol that is new to it.
type spoken struct {
	mu   sync.Mutex
	list []*spokenCount
}

type spokenCount struct {
	name string
	open atomic.Int64
}

func (s *spoken) of(name string) *spokenCount {
	for _, p := range s.list {
		if p.name == name {
			return p
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &spokenCount{name: name}
	s.list = append(s.list, p)
	return p
}

func (s *spoken) all() []*spokenCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// speaks counts an accepted connection as one of the protocol name.
func (c *conn) speaks(name string) {
	c.spokenEnds()
	if c.kind == accepted && c.state != stateClosed {
		c.spoken = c.loop.spoken.of(name)
		c.spoken.open.Add(1)
	}
}

// spokenEnds is called at the end of a connection.
func (c *conn) spokenEnds() {
	if c.spoken != nil {
		c.spoken.open.Add(-1)
		c.spoken = nil
	}
}

// byProtocol adds up the counts of all loops.
func (e *Engine) byProtocol() []ProtocolStats {
	var all []ProtocolStats
	for _, l := range e.loops {
		for _, p := range l.spoken.all() {
			i := slices.IndexFunc(all, func(s ProtocolStats) bool { return s.Protocol == p.name })
			if i < 0 {
				i = len(all)
				all = append(all, ProtocolStats{Protocol: p.name})
			}
			all[i].Open += p.open.Load()
		}
	}
	return all
}

// tlsVersions are those that handshakes are counted by; 0 is for failures.
var tlsVersions = [...]uint16{0, tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}

// handshakeCounts are by the index of the version, and by resumption.
type handshakeCounts [len(tlsVersions)][2]atomic.Uint64

func (h *handshakeCounts) failed() { h[0][0].Add(1) }

func (h *handshakeCounts) done(s *tls.ConnectionState) {
	resumed := 0
	if s.DidResume {
		resumed = 1
	}
	if i := slices.Index(tlsVersions[:], s.Version); i > 0 {
		h[i][resumed].Add(1)
	}
}

func (h *handshakeCounts) all() []HandshakeStats {
	var all []HandshakeStats
	for i, version := range tlsVersions {
		for resumed := range h[i] {
			if n := h[i][resumed].Load(); n > 0 {
				all = append(all, HandshakeStats{Version: version, Resumed: resumed == 1, Count: n})
			}
		}
	}
	return all
}
