package http3

import "sync/atomic"

// Stats are counts of a server at one moment.
type Stats struct {
	// Connections is the number of open ones, Accepted that since the start.
	Connections int
	Accepted    uint64
	// Handshakes is the number of connections that are not complete yet.
	Handshakes int
	// Errors counts the streams and connections that were ended for what
	// their client did, by the name of the code that it was told. It is nil
	// if there were none.
	Errors map[string]uint64
}

// Stats returns the counts. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.sessions)
	s.mu.Unlock()
	return Stats{
		Connections: open, Accepted: s.counts.accepted.Load(),
		Handshakes: int(s.handshaking.Load()), Errors: s.counts.byName(),
	}
}

// counts are kept by all goroutines of a server.
type counts struct {
	accepted atomic.Uint64
	errors   [len(codes)]atomic.Uint64 // by the code's place in codes
}

// failed counts an error that ended a stream or a connection.
func (c *counts) failed(code errorCode) {
	for i, known := range &codes {
		if known.code == code {
			c.errors[i].Add(1)
		}
	}
}

func (c *counts) byName() map[string]uint64 {
	var named map[string]uint64
	for i := range c.errors {
		if n := c.errors[i].Load(); n > 0 {
			if named == nil {
				named = make(map[string]uint64)
			}
			named[codes[i].name] = n
		}
	}
	return named
}
