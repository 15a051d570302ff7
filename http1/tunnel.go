package http1

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/onloop"
	"github.com/asteri/asteri-loop/loop"
)

// tunnelSession is what remains of a connection after an upgrade: a session to the loop,
// a channel to the tunnel.
type tunnelSession struct {
	tunnel exchange.Tunnel
	conn   loop.Conn
	paused bool // input waits for the sink or its window
	eof    bool // the peer sends no more
}

var (
	_ exchange.Channel = (*tunnelSession)(nil)
	_ loop.Unhurried   = (*tunnelSession)(nil)
)

// Unhurried implements loop.Unhurried.
func (*tunnelSession) Unhurried() {}

// OnData delivers bytes as far as the window is open.
func (s *tunnelSession) OnData(in []byte) (consumed int, err error) {
	for consumed < len(in) && !s.tunnel.Over() {
		n := min(len(in)-consumed, s.tunnel.Takes())
		if n == 0 {
			s.pause()
			break
		}
		_ = s.tunnel.Receive(in[consumed : consumed+n]) // no length was announced
		consumed += n
	}
	return consumed, nil
}

// OnEOF tells the tunnel that the peer half-closed, behind all that it sent.
func (s *tunnelSession) OnEOF() {
	s.eof = true
	s.tunnel.PeerEnded()
	if !s.paused {
		_ = s.tunnel.ReceiveEnd(nil)
	}
}

// OnDrain lets the writer go on.
func (s *tunnelSession) OnDrain() { s.tunnel.Drained() }

// OnTimer has the handler looked at.
func (s *tunnelSession) OnTimer(loop.Timer) { s.Watch(s.tunnel.CheckHandler()) }

// OnShutdown leaves the goodbye to the handler.
func (s *tunnelSession) OnShutdown() { s.tunnel.Shutdown() }

// OnClose tells the tunnel that there is nobody any more.
func (s *tunnelSession) OnClose(cause error) { s.tunnel.Cancel(onloop.Gone(cause)) }

func (s *tunnelSession) pause() {
	if !s.paused {
		s.paused = true
		s.conn.PauseRead()
	}
}

// Await has input offered again, and the end of it.
func (s *tunnelSession) Await() {
	if s.paused {
		s.paused = false
		s.conn.ResumeRead()
	}
}

// Send queues a copy of p.
func (s *tunnelSession) Send(p []byte) (queued int) { return s.conn.Write(p) }

// Queued returns how many bytes wait to be sent.
func (s *tunnelSession) Queued() int { return s.conn.Queued() }

// Full implements exchange.Channel.
func (s *tunnelSession) Full() bool { return s.conn.Full() }

// Done closes the connection once all is sent.
func (s *tunnelSession) Done() { s.conn.CloseWhenFlushed(!s.eof) }

// Reset ends the connection.
func (s *tunnelSession) Reset(cause error) { s.conn.Abort(cause) }

// Reserve counts memory against the connection.
func (s *tunnelSession) Reserve(n int) { s.conn.Reserve(n) }

// Credit does nothing: see Await.
func (s *tunnelSession) Credit(int) {}

// Room is that of the tunnel alone.
func (s *tunnelSession) Room() int { return asteri.BodyWindow }

// Watch sets the timer.
func (s *tunnelSession) Watch(d time.Duration) { s.conn.SetTimer(readTimer, d) }
