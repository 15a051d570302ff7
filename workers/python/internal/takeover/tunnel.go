package takeover

import (
	"cmp"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
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

func (r *Socket) upgrade(h *wire.Head) error {
	if r.call.Connects() {
		h.Header.Del("Sec-WebSocket-Accept")
	}
	if asteri.EqualFold(h.Header.Get("Upgrade"), "websocket") {
		r.frames = new(ws.Follower)
	}
	var err error
	if r.counted, err = r.worker.AddSocket(); err != nil {
		return err
	}
	r.call.Account()
	if r.tunnel, err = r.x.Upgrade(h.Header); err != nil {
		r.Uncount()
		return err
	}
	r.take(inTunnel)
	r.call, r.x = nil, nil // its head is large beside what an idle tunnel needs
	r.tunnel.OnShutdown(r.Drain)
	r.tunnel.Read((*input)(r))
	if r.draining {
		r.Drain()
	}
	return nil
}

// passFrames passes on what the application sends. Once it is to end, that is only
// the rest of a frame, so that the client can be told.
func (r *Socket) passFrames(p []byte) {
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

// input is the socket as the sink of its tunnel.
type input Socket

// OnBody passes on what the client sends, as the application takes it.
func (i *input) OnBody(p []byte) {
	r := (*Socket)(i)
	if r.phase != inTunnel {
		return
	}
	r.held += len(p)
	if r.conn.Write(p) < high {
		r.consumed()
	}
}

// OnEnd: the client sends no more, and may still read.
func (i *input) OnEnd(*asteri.Header) {
	r := (*Socket)(i)
	if r.phase == inTunnel {
		r.conn.CloseWrite()
		r.watchClient()
	}
}

// OnError: the client is gone. It is also what follows when the front has closed
// the tunnel.
func (i *input) OnError(error) {
	if r := (*Socket)(i); r.phase == inTunnel && !r.said {
		r.close()
	}
}

func (r *Socket) consumed() {
	if n := r.held; n > 0 && r.phase == inTunnel {
		r.held = 0
		r.tunnel.Consumed(n)
	}
}

// watchClient looks whether the client is there at all.
func (r *Socket) watchClient() {
	if !r.said && !r.tunnel.Post(func() {}) {
		r.close()
		return
	}
	r.conn.SetTimer(timerAlive, aliveEvery)
}

func (r *Socket) tunnelTimer(t loop.Timer) {
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

// Drain has the tunnel closed: at once, or when WebSockets have lived on for as
// long as they may.
func (r *Socket) Drain() {
	r.draining = true
	if r.phase != inTunnel || r.leaving {
		return
	}
	wait, code := r.settings.Linger, ws.ServiceRestart
	if latest := max(r.settings.GracefulTimeout-leaveBefore, 0); wait > 0 && wait >= latest {
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
func (r *Socket) leave() {
	r.leaving = true
	r.conn.CloseWrite()
	r.conn.SetTimer(timerGone, cmp.Or(r.settings.CloseTimeout, 10*time.Second))
	if r.mayLeave() {
		r.sayGoodbye()
	}
}

// mayLeave tells whether the client is to be told, and can be: not within a frame
// of the application.
func (r *Socket) mayLeave() bool {
	return r.leaving && !r.said && r.frames != nil && r.frames.Between()
}

func (r *Socket) sayGoodbye() {
	r.said = true
	if _, err := r.tunnel.Write(ws.AppendClose(nil, r.code, "")); err == nil {
		r.tunnel.Close()
	}
}
