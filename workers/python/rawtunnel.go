package python

import (
	"cmp"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/ws"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// A raw socket whose application has answered with 101.

// Timers of a raw socket.
const (
	timerAlive loop.Timer = iota // a client that sends no more may have left altogether
	timerLeave                   // the time to live on is over
	timerGone                    // the application has had time to notice that it is over
)

// aliveEvery is how often a half-closed client is looked for: its tunnel reports
// no second end.
const aliveEvery = time.Second

func (r *rawSocket) upgrade(h *wire.Head) error {
	c := r.call
	if c.req.Protocol != "" {
		h.Header.Del("Sec-WebSocket-Accept")
	}
	if asteri.EqualFold(h.Header.Get("Upgrade"), "websocket") {
		r.frames = new(ws.Follower)
	}
	if w := r.link.worker; !w.info.wholeBody { // else it holds the room of its call
		if !w.pool.dispatcher.addSocket(w) {
			w.pool.warnOfSockets()
			return errSocketsFull
		}
		r.counted = true
	}
	var err error
	c.account()
	if r.tunnel, err = c.x.Upgrade(asteri.UpgradeRaw, h.Header); err != nil {
		if r.counted {
			r.counted = false
			r.link.worker.pool.dispatcher.removeSocket(r.link.worker)
		}
		return err
	}
	r.take(rawTunnel)
	r.call = nil // its head is large beside what an idle tunnel needs
	r.tunnel.OnShutdown(r.drain)
	r.tunnel.Read((*rawInput)(r))
	if r.draining {
		r.drain()
	}
	return nil
}

// passFrames passes on what the application sends. Once it is to end, that is only
// the rest of a frame, so that the client can be told.
func (r *rawSocket) passFrames(p []byte) {
	n := 0
	for r.frames != nil && n < len(p) && !r.mayLeave() {
		n += r.frames.Next(p[n:])
	}
	if r.frames == nil {
		n = len(p)
	}
	if n > 0 && !r.said {
		queued, err := r.tunnel.Write(p[:n])
		if err != nil {
			r.close()
			return
		}
		r.hold(queued, r.tunnel.OnDrain)
	}
	if r.mayLeave() {
		r.sayGoodbye()
	}
}

// rawInput is the socket as the sink of its tunnel.
type rawInput rawSocket

// OnBody passes on what the client sends, as the application takes it.
func (i *rawInput) OnBody(p []byte) {
	r := (*rawSocket)(i)
	if r.phase != rawTunnel {
		return
	}
	r.held += len(p)
	if r.conn.Write(p) < rawHigh {
		r.consumed()
	}
}

// OnEnd: the client sends no more, and may still read.
func (i *rawInput) OnEnd(*asteri.Header) {
	r := (*rawSocket)(i)
	if r.phase == rawTunnel {
		r.conn.CloseWrite()
		r.watchClient()
	}
}

// OnError: the client is gone. It is also what follows when the front has closed
// the tunnel.
func (i *rawInput) OnError(error) {
	if r := (*rawSocket)(i); r.phase == rawTunnel && !r.said {
		r.close()
	}
}

func (r *rawSocket) consumed() {
	if n := r.held; n > 0 && r.phase == rawTunnel {
		r.held = 0
		r.tunnel.Consumed(n)
	}
}

// watchClient looks whether the client is there at all.
func (r *rawSocket) watchClient() {
	if !r.said && !r.tunnel.Post(func() {}) {
		r.close()
		return
	}
	r.conn.SetTimer(timerAlive, aliveEvery)
}

func (r *rawSocket) tunnelTimer(t loop.Timer) {
	switch t {
	case timerAlive:
		r.watchClient()
	case timerLeave:
		r.leave()
	case timerGone:
		r.tunnel.Close()
		r.close()
	}
}

// The end of the worker, or of the server.

// drain has the tunnel closed: at once, or when WebSockets have lived on for as
// long as they may.
func (r *rawSocket) drain() {
	r.draining = true
	if r.phase != rawTunnel || r.leaving {
		return
	}
	cfg := r.link.worker.cfg
	wait, code := cfg.WebSocket.Linger, ws.ServiceRestart
	if latest := max(cfg.GracefulTimeout-leaveBefore, 0); wait > 0 && wait >= latest {
		wait, code = latest, ws.GoingAway
	}
	if at := time.Now().Add(wait); r.leaveAt.IsZero() || at.Before(r.leaveAt) {
		r.leaveAt, r.code = at, code
	}
	if wait <= 0 {
		r.leave()
		return
	}
	r.conn.SetTimer(timerLeave, time.Until(r.leaveAt))
}

// leaveBefore is how long before the end of its grace the client is told.
const leaveBefore = time.Second

// leave tells the application, which sees the end of what the client sends, and
// the client of a WebSocket. Of other protocols only the application knows how to
// say goodbye.
func (r *rawSocket) leave() {
	r.leaving = true
	r.conn.CloseWrite()
	r.conn.SetTimer(timerGone, cmp.Or(r.link.worker.cfg.WebSocket.CloseTimeout, 10*time.Second))
	if r.mayLeave() {
		r.sayGoodbye()
	}
}

// mayLeave tells whether the client is to be told, and can be: not within a frame
// of the application.
func (r *rawSocket) mayLeave() bool {
	return r.leaving && !r.said && r.frames != nil && r.frames.Between()
}

func (r *rawSocket) sayGoodbye() {
	r.said = true
	if _, err := r.tunnel.Write(ws.AppendClose(nil, r.code, "")); err == nil {
		r.tunnel.Close()
	}
}
