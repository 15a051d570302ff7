package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/jobs"
	"github.com/asteri/asteri-loop/workers"
)

// Socket is an open WebSocket for a program that waits. Its methods may be called
// from any goroutine; one may receive while another sends.
type Socket struct {
	conn *Conn

	mu      sync.Mutex
	changed sync.Cond
	queue   []message // received and not yet taken
	unread  int       // bytes in it
	paused  bool      // the connection was asked to pause
	closure *Closure  // how it ended; nil while it has not

	posted   int // bytes on their way to the connection
	queued   int // bytes that wait for the peer, when last heard
	draining bool

	waiting  int  // goroutines that wait
	running  int  // announced to sched: at first the handler's, by its call
	released bool // the handler has returned
}

type message struct {
	kind Kind
	p    []byte
}

// CloseError is what methods of a Socket return once the connection has ended.
type CloseError struct{ Closure }

// Error says how it ended.
func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket: closed with %d %s", e.Code, e.Reason)
}

// Unwrap returns asteri.ErrClosed.
func (e *CloseError) Unwrap() error { return asteri.ErrClosed }

// What a Socket keeps for a program that does not receive as fast as the peer
// sends: messages of so many bytes together, or so many messages.
const (
	unreadBytes    = 64 << 10
	unreadMessages = 256
)

// Serve answers the opening handshake of c and runs fn with the connection, in a
// place where it may wait: under gtornado that is a goroutine. When fn returns the
// connection is closed with 1000, or as fn has closed it; if fn panics, with 1011.
// An error says that the handshake failed; c is answered then.
func (s *Server) Serve(c *workers.Call, r Response, fn func(*Socket)) error {
	so := &Socket{running: 1}
	so.changed.L = &so.mu
	err := c.Takeover(func(x asteri.Exchange) (err error) {
		so.conn, err = s.Accept(x, (*socketHandler)(so), r)
		return err
	})
	if err != nil {
		return err
	}
	c.Block(func() {
		code := InternalError
		defer func() {
			so.Close(code, "")
			so.release()
		}()
		fn(so)
		code = NormalClosure
	})
	return nil
}

// Subprotocol returns what was agreed on, empty for none.
func (so *Socket) Subprotocol() string { return so.conn.Subprotocol() }

// Receive returns the next message, which is the caller's. After the last one it
// returns a *CloseError; when ctx is done its cause.
func (so *Socket) Receive(ctx context.Context) (Kind, []byte, error) {
	so.mu.Lock()
	defer so.mu.Unlock()
	err := so.wait(ctx, func() bool { return len(so.queue) > 0 || so.closure != nil })
	if err != nil {
		return 0, nil, err
	}
	if len(so.queue) == 0 {
		return 0, nil, &CloseError{*so.closure}
	}
	m := so.queue[0]
	so.queue[0] = message{}
	if so.queue = so.queue[1:]; len(so.queue) == 0 {
		so.queue = nil
	}
	so.unread -= len(m.p)
	if len(so.queue) == 0 && len(m.p) >= heldStep {
		so.conn.Post(so.hold)
	}
	if so.paused && !so.full() {
		so.paused = false
		so.conn.Home().Post(so.conn.Resume) // it finds out about a tunnel that is lost
	}
	return m.kind, m.p, nil
}

// heldStep is from how many bytes on it is told at once that a message was received.
const heldStep = 4 << 10

// hold counts what is not received yet.
func (so *Socket) hold() {
	so.mu.Lock()
	n := so.unread
	so.mu.Unlock()
	so.conn.Hold(n)
}

func (so *Socket) full() bool {
	return so.unread >= unreadBytes || len(so.queue) >= unreadMessages
}

// Send sends a copy of p as a message. It waits while asteri.HighWater bytes or
// more are queued for the peer. An error that the message causes may be returned
// by a later call.
func (so *Socket) Send(ctx context.Context, kind Kind, p []byte) error {
	so.mu.Lock()
	defer so.mu.Unlock()
	err := so.wait(ctx, func() bool { return so.posted+so.queued < asteri.HighWater || so.closure != nil })
	switch {
	case err != nil:
		return err
	case so.closure != nil:
		return &CloseError{*so.closure}
	}
	p = bytes.Clone(p)
	if !so.conn.Post(func() { so.write(kind, p) }) {
		return asteri.ErrClosed
	}
	so.posted += len(p)
	return nil
}

func (so *Socket) write(kind Kind, p []byte) {
	queued, err := so.conn.Write(kind, p)
	so.mu.Lock()
	defer so.mu.Unlock()
	so.posted -= len(p)
	so.queued = queued
	if err == nil && queued >= asteri.HighWater && !so.draining {
		so.draining = true
		so.conn.OnDrain(so.drained)
	}
	so.signal()
}

func (so *Socket) drained() {
	so.mu.Lock()
	defer so.mu.Unlock()
	so.draining, so.queued = false, 0
	so.signal()
}

// Close begins the closing handshake; see Conn.Close. Receive goes on to return
// what has come.
func (so *Socket) Close(code Code, reason string) {
	so.conn.Post(func() { so.conn.Close(code, reason) })
}

// wait returns when ready does with true, or with the cause of ctx. mu is held.
func (so *Socket) wait(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		so.mu.Lock()
		defer so.mu.Unlock()
		so.signal()
	})
	defer stop()
	for !ready() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		so.waiting++
		if so.running > 0 && !so.released {
			so.running--
			jobs.End()
		}
		so.changed.Wait()
	}
	return nil
}

// signal makes those who wait look again. mu is held.
func (so *Socket) signal() {
	for ; so.waiting > 0; so.waiting-- {
		if !so.released {
			so.running++
			jobs.Begin()
		}
	}
	so.changed.Broadcast()
}

// release leaves what is announced to sched as the handler's call believes it to
// be.
func (so *Socket) release() {
	so.mu.Lock()
	defer so.mu.Unlock()
	so.released = true
	for ; so.running > 1; so.running-- {
		jobs.End()
	}
	for ; so.running < 1; so.running++ {
		jobs.Begin()
	}
}

// socketHandler is a Socket as its connection sees it.
type socketHandler Socket

func (h *socketHandler) OnMessage(c *Conn, kind Kind, p []byte) {
	so := (*Socket)(h)
	so.mu.Lock()
	defer so.mu.Unlock()
	so.queue = append(so.queue, message{kind, bytes.Clone(p)})
	so.unread += len(p)
	c.Hold(so.unread)
	if so.full() {
		so.paused = true
		c.Pause()
	}
	so.signal()
}

func (h *socketHandler) OnClose(_ *Conn, e Closure) {
	so := (*Socket)(h)
	so.mu.Lock()
	defer so.mu.Unlock()
	so.closure = &e
	so.signal()
}

// IsClosed tells whether err says that a connection has ended, and how.
func IsClosed(err error) (Closure, bool) {
	var e *CloseError
	if errors.As(err, &e) {
		return e.Closure, true
	}
	return Closure{}, false
}
