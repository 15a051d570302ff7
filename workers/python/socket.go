package python

import (
	"log/slog"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// socket is an open WebSocket between its connection and its worker. The link's
// loop and the connection's executor each have their part; mostly they are the
// same.
type socket struct {
	link *link
	id   uint32
	home asteri.Executor
	// about names its request in the log. The request itself is not kept: sockets
	// stay for long.
	about slog.Attr

	atLink socketAtLink
	atHome socketAtHome
}

// socketAtLink is what the link knows of a socket.
type socketAtLink struct {
	window  int  // what the worker may send
	taking  int  // delivered to the worker and not yet taken by the application
	closing bool // the application has closed it, or failed
	counted bool // among the worker's open ones
}

// socketAtHome is what the connection's executor knows of it.
type socketAtHome struct {
	conn      *websocket.Conn // nil once nothing more can be sent
	unread    int             // delivered to the worker and not yet taken by the application
	ungranted int             // received from the worker for which no grant was sent
	draining  bool            // OnDrain was asked for
	crowded   bool            // too much waits for the worker
	retiring  bool            // the worker is to end
	broken    bool            // the worker knows that the client broke the protocol
}

// Windows of a socket, in bytes. Each message counts messageCost beside its own.
const (
	socketWindow = wire.BodyWindow
	messageCost  = 16
)

var _ websocket.LateHandler = (*socket)(nil)

// OnMessage passes a message to the worker. A peer whose messages the application
// does not take has to wait.
func (s *socket) OnMessage(c *websocket.Conn, kind websocket.Kind, p []byte) {
	s.atHome.unread += len(p) + messageCost
	c.Hold(s.atHome.unread)
	if s.atHome.unread >= socketWindow {
		c.Pause()
	}
	s.link.message(s, kind, p, s.home)
}

// OnBreach tells the worker that nothing more comes. It may still answer.
func (s *socket) OnBreach(_ *websocket.Conn, e websocket.Closure) {
	s.atHome.broken = true
	s.link.socketEnded(s, e, true, s.home)
}

// OnClose tells the worker.
func (s *socket) OnClose(_ *websocket.Conn, e websocket.Closure) {
	s.atHome.conn = nil
	if !s.atHome.broken {
		s.link.socketEnded(s, e, false, s.home)
	}
}

// lost tells the worker that there is no connection any more, or never was.
func (s *socket) lost() {
	s.link.socketEnded(s, websocket.Closure{Code: websocket.Abnormal}, false, s.home)
}

// toHome runs fn on the connection's executor: at once if that is where the caller,
// who is on the link's loop, is.
func (s *socket) toHome(fn func()) {
	if s.home == asteri.Executor(s.link.loop) {
		fn()
		return
	}
	s.home.Post(fn)
}

// consumed is called when the application has taken messages of n bytes.
func (s *socket) consumed(n int) {
	s.atHome.unread = max(0, s.atHome.unread-n)
	if s.atHome.conn != nil {
		s.atHome.conn.Hold(s.atHome.unread)
		s.resume()
	}
}

// resume lets the peer send on, if its messages have been taken and those of others
// too, which wait for the same worker.
func (s *socket) resume() {
	if s.atHome.conn != nil && !s.atHome.crowded && s.atHome.unread < socketWindow/2 {
		s.atHome.conn.Resume()
	}
}

// crowd holds the peer back, or no longer.
func (s *socket) crowd(on bool) {
	s.atHome.crowded = on
	if on && s.atHome.conn != nil {
		s.atHome.conn.Pause()
	}
	s.resume()
}

// write sends a message of the application, or a piece of one. The worker may send
// on while the client reads.
func (s *socket) write(kind websocket.Kind, p []byte, last bool) {
	if s.atHome.conn == nil {
		return
	}
	s.atHome.ungranted += cost(len(p), last)
	queued, err := s.atHome.conn.WritePart(kind, p, last)
	switch {
	case err != nil || s.atHome.draining:
	case queued < asteri.HighWater:
		s.grant(grantStep)
	default:
		s.atHome.draining = true
		s.atHome.conn.OnDrain(func() {
			s.atHome.draining = false
			s.grant(1)
		})
	}
}

// cost is what an item with n bytes of a message counts; last says that it ends the
// message.
func cost(n int, last bool) int {
	if last {
		n += messageCost
	}
	return n
}

// grant lets the worker send on, if that is by least bytes or more.
func (s *socket) grant(least int) {
	if s.atHome.ungranted >= least {
		s.link.grantSocket(s, s.atHome.ungranted, s.home)
		s.atHome.ungranted = 0
	}
}

// close ends the connection as the application, or its end, wants it.
func (s *socket) close(code websocket.Code, reason string) {
	if s.atHome.conn != nil {
		s.atHome.conn.Close(code, reason)
	}
}

// drain has the connection closed because its worker is to end.
func (s *socket) drain() {
	s.atHome.retiring = true
	if s.atHome.conn != nil {
		s.atHome.conn.Drain(s.link.worker.cfg.WebSocket.Linger, s.link.worker.cfg.GracefulTimeout)
	}
}
