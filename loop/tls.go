package loop

import (
	"crypto/tls"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// tlsLayer stands between a connection's session and its socket. crypto/tls does
// the work on a view of the connection: blocking on a goroutine for the
// handshake, then on the loop, where a read of the view says "again" when there
// are no bytes.
type tlsLayer struct {
	conn     *tls.Conn
	view     *tlsView
	listener *Listener
	sealed   sendQueue // encrypted; conn.out holds what is not encrypted yet
	ready    bool      // the handshake is done
	goodbye  bool      // close_notify is in sealed
	broken   bool      // the peer broke TLS: nothing more can be encrypted
}

// sealedBound is how much is encrypted ahead of what the peer takes, and
// recordSize how much goes into one record at most (RFC 8446 section 5.1).
const (
	sealedBound = 64 << 10
	recordSize  = 16 << 10
)

// startTLS begins the handshake. head is what the peer has sent so far.
func (c *conn) startTLS(ln *Listener, head []byte) error {
	e := c.loop.engine
	cfg := ln.cfg.TLS() // before anything is counted: it may panic
	if cfg == nil {
		misused("ListenConfig.TLS", "must not return nil")
	}
	if !e.shakes.begin(c.info.Remote.Addr()) {
		e.refused.add(refusedHandshake)
		return Overloaded
	}
	view := newTLSView(c, e.shakes)
	view.feed(head)
	c.layer = &tlsLayer{conn: tls.Server(view, cfg), view: view, listener: ln}
	c.session = nil
	c.paused = true // bytes go to the handshake, bounded as for a paused session
	c.setTimer(timerHandshake, e.cfg.HandshakeTimeout)
	layer := c.layer
	go func() {
		var err error = &PanicError{} // unless the handshake returns
		defer func() { c.loop.Post(func() { layer.handshaken(c, err) }) }()
		err = view.handshake(layer.conn)
	}()
	return nil
}

// handshaken takes the connection back from the handshake's goroutine.
func (t *tlsLayer) handshaken(c *conn, err error) {
	c.loop.engine.shakes.end(c.info.Remote.Addr())
	if c.state == stateClosed {
		return
	}
	t.view.direct = true
	c.setTimer(timerHandshake, 0)
	if err != nil {
		c.loop.engine.refused.add(refusedHandshake)
		c.loop.engine.handshakes.failed()
		c.loop.log.Debug("TLS handshake failed", "remote", c.info.Remote, "error", err)
		c.lingers = !c.eof
		c.state = stateFlushing // the alert may still be in sealed
		c.markDirty()
		return
	}
	t.ready = true
	state := t.conn.ConnectionState()
	c.info.TLS = &state
	c.loop.engine.handshakes.done(&state)
	c.paused = false
	c.loop.current = c
	c.session = t.listener.sessionFor(c)
	c.watchIdle()
	// A request that came with the client's Finished is inside t.conn
	// already, and no event will announce it.
	t.pump(c)
	c.updateInterest()
	c.joinDrain()
}

// receive reads from the socket, and from there into the session.
func (t *tlsLayer) receive(c *conn) {
	n, errno := sysRead(c.fd, c.loop.in)
	if !t.received(c, n, errno) {
		return
	}
	if !t.ready {
		t.view.feed(c.loop.in[:n])
		t.view.count()
		c.updateInterest()
		return
	}
	t.view.lend(c.loop.in[:n])
	t.pump(c)
	t.view.own()
	t.view.count()
}

// received handles the outcome of a read; false means that there are no bytes.
func (t *tlsLayer) received(c *conn, n int, errno unix.Errno) bool {
	if n == 0 && errno == 0 && !t.ready {
		c.eof = true
		t.view.end(io.EOF)
		c.updateInterest()
		return false
	}
	return c.received(n, errno)
}

// pump decrypts what is there and gives it to the session, until that wants no
// more or there is none.
func (t *tlsLayer) pump(c *conn) {
	if !t.ready {
		return
	}
	if c.loop.plain == nil {
		c.loop.plain = make([]byte, recordSize)
	}
	c.offerKept()
	for c.state == stateOpen && !c.paused {
		n, err := t.conn.Read(c.loop.plain)
		if t.sealed.size > 2*sealedBound {
			// Only answers to a flood of key updates, unread by the peer, go so
			// far beyond what flush encrypts ahead.
			c.Abort(WriteStalled)
			return
		}
		if n > 0 {
			t.deliver(c, c.loop.plain[:n])
		}
		if err != nil {
			t.ended(c, err)
			break
		}
	}
	if !t.view.lent {
		t.view.count()
	}
	if c.eof && !c.paused {
		c.tellEOF()
	}
	c.afterInput()
}

func (t *tlsLayer) deliver(c *conn, p []byte) {
	if len(c.kept) > 0 {
		c.keep(p)
		c.offerKept()
		return
	}
	if rest := c.deliver(p); len(rest) > 0 {
		c.keep(rest)
	}
}

// ended handles an error of tls.Conn.Read: no bytes for now, the peer's
// close_notify, or a broken record, whose alert is in sealed.
func (t *tlsLayer) ended(c *conn, err error) {
	switch {
	case c.state != stateOpen || errors.Is(err, errAgain) || c.eof:
	case err == io.EOF:
		c.endOfInput()
	default:
		c.loop.log.Debug("TLS failed", "remote", c.info.Remote, "error", err)
		c.CloseWhenFlushed(true)
		t.broken, t.goodbye = true, true // crypto/tls has said why; a close_notify would deny it
		t.dropPlain(c)
	}
}

// dropPlain drops what can no longer be encrypted; a file that is being read, when
// that is done.
func (t *tlsLayer) dropPlain(c *conn) {
	if !c.fileJob {
		c.out.drop(&c.loop.chunks)
	}
}

// flush encrypts what is queued and sends it, as far as the peer takes it. A file
// job only reads here: what is encrypted already is sent meanwhile.
func (t *tlsLayer) flush(c *conn) {
	for sent := 0; !c.blocked && c.state != stateClosed; {
		t.encrypt(c)
		if t.sealed.empty() || c.state == stateClosed {
			return
		}
		if sent >= flushBudget {
			c.markDirty()
			return
		}
		sent += c.sendData(&t.sealed)
	}
}

func (t *tlsLayer) encrypt(c *conn) {
	for t.ready && t.sealed.size < sealedBound && !c.out.empty() && !c.fileJob {
		k := c.out.head
		if k.file != nil {
			if !c.warmHead(&c.out) {
				c.readFileHead(&c.out)
			}
			continue
		}
		p := k.unsent()
		n, err := t.conn.Write(p[:min(len(p), recordSize)])
		if err != nil {
			c.Abort(err)
			return
		}
		c.out.sentBytes(&c.loop.chunks, n)
	}
}

// sayGoodbye queues a close_notify, once, and tells whether it did.
func (t *tlsLayer) sayGoodbye(c *conn) bool {
	if !t.ready || t.goodbye {
		return false
	}
	t.goodbye = true
	if t.conn.CloseWrite() != nil {
		return false
	}
	c.markDirty()
	return true
}

// close releases what the layer holds, and ends a handshake that still runs.
func (t *tlsLayer) close(c *conn) {
	t.view.end(PeerClosed)
	c.loop.reserve(-t.view.counted)
	t.view.counted = 0
	t.sealed.drop(&c.loop.chunks)
}
