package python

import (
	"net/http"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// A request for a WebSocket is a call like any other, with scheme ws or wss, until
// the application accepts it. Its slot at the worker is free then: an open socket
// counts for nothing there but itself. What it refuses is an HTTP response.

// sockets tells whether the worker takes WebSockets as such. Others get their
// opening handshakes as the requests that they are.
func (i *Info) sockets() bool { return i.Interface == "asgi" }

// offeredWebSocket returns the request as a worker with WebSockets gets it; nil if
// it is none. refused is true if it asked for one badly, and was told so.
func (p *Pool) offeredWebSocket(x asteri.Exchange) (as *asteri.Request, refused bool) {
	req := x.Request()
	if !websocket.Offered(req) {
		return nil, false
	}
	info := p.info.Load()
	if info != nil && !info.sockets() {
		return nil, false
	}
	if err := p.sockets.Check(req); err != nil {
		if info == nil {
			return nil, false // it is not known yet what takes it
		}
		p.sockets.Refuse(x, err)
		return nil, true
	}
	r := *req
	r.Method, r.Scheme = http.MethodGet, "ws"
	if req.Scheme == "https" {
		r.Scheme = "wss"
	}
	return &r, false
}

var errSocketsFull = &asteri.StatusError{
	Code: http.StatusServiceUnavailable, Reason: "the workers have as many open WebSockets as they may", RetryAfter: retryAfter,
}

// warnOfSockets lets the log know that handshakes are refused, now and then.
func (p *Pool) warnOfSockets() {
	now := int64(awake.Now())
	if last := p.socketsWarned.Load(); (last == 0 || now-last >= int64(time.Minute)) && p.socketsWarned.CompareAndSwap(last, now) {
		p.log.Warn("WebSockets are refused: every worker has as many open as it may; see --websocket-connections",
			"each", p.config().WebSocketConnections)
	}
}

// accept answers the opening handshake.
func (c *call) accept(s *socket, subprotocol string, h *wire.Head) {
	if c.atHome.over {
		s.lost()
		return
	}
	if h.Invalid != nil {
		c.giveUp(h.Invalid)
		s.lost()
		return
	}
	c.account()
	conn, err := c.pool.sockets.Accept(c.x, s, websocket.Response{Subprotocol: subprotocol, Header: h.Header})
	if err != nil {
		c.end()
		s.lost()
		return
	}
	c.end()
	s.atHome.conn = conn
	s.crowd(s.atHome.crowded)
	if s.atHome.retiring {
		s.drain()
	}
}
