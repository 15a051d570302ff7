package loop

// tlsRecordHandshake is the first byte of every TLS connection (RFC 8446 section
// 5.1). No other protocol here begins with it.
const tlsRecordHandshake = 0x16

// greet gives a new connection its session: that of the protocol that takes it at
// once, else one that finds out from the first bytes.
func (ln *Listener) greet(c *conn) {
	c.speaks("")
	if ln.cfg.ProxyProtocol != ProxyOff {
		c.session = newProxyReader(c, ln) // its header comes before all else
		return
	}
	c.session = ln.firstSession(c)
}

// firstSession is for a connection of which nothing is known. At a listener with TLS its
// first byte tells what is next.
func (ln *Listener) firstSession(c *conn) Session {
	if ln.cfg.TLS == nil {
		return ln.sessionFor(c)
	}
	return ln.detect(c, false)
}

// sessionFor returns the session of the protocol that takes the connection before
// anything has come, or one that waits for more.
func (ln *Listener) sessionFor(c *conn) Session {
	p, wait := decide(ln.cfg.Protocols, c.alpn(), nil)
	switch {
	case p != nil:
		return c.sessionOf(p)
	case wait:
		return ln.detect(c, true)
	}
	c.loop.engine.refused.add(refusedUnrecognized)
	c.Abort(Unrecognized)
	return &detector{greeting: greeting{conn: c, listener: ln}} // to be told of the end
}

// alpn returns what TLS has negotiated.
func (c *conn) alpn() string {
	if c.info.TLS == nil {
		return ""
	}
	return c.info.TLS.NegotiatedProtocol
}

// decide asks the candidates about a connection, as Protocol.Match says. If none gets it
// yet, wait tells whether one may.
func decide(candidates []Protocol, alpn string, head []byte) (taker Protocol, wait bool) {
	for _, p := range candidates {
		switch v := p.Match(alpn, head); v {
		case No:
		case Yes, Maybe:
			if taker != nil {
				return nil, true
			}
			if taker = p; v == Yes {
				return taker, false
			}
		default:
			misusedBy(p, "Match", "returns No, Yes or Maybe, and not %d", v)
		}
	}
	return taker, false
}

// sessionOf starts the session of the protocol that has got the connection.
func (c *conn) sessionOf(p Protocol) Session {
	c.speaks(p.Name())
	s := p.NewSession(c)
	if s == nil {
		misusedBy(p, "NewSession", "returns a session, and not nil: Conn.Abort refuses a connection")
	}
	return s
}

// detect returns a session that waits for bytes by which to tell.
func (ln *Listener) detect(c *conn, past bool) Session {
	c.setTimer(int(detectTimer), c.loop.engine.cfg.HandshakeTimeout)
	return &detector{greeting: greeting{conn: c, listener: ln}, secured: past}
}

// greeting is what the loop's own sessions for a new connection have in common.
type greeting struct {
	conn     *conn
	listener *Listener
	begun    bool // the peer has sent something
}

const detectTimer Timer = 0

// Watchful implements loop.Watchful: what is waited for has HandshakeTimeout.
func (g *greeting) Watchful() {}

// Idle says that a client loses nothing by the end of the connection.
func (g *greeting) Idle() bool { return true }

// OnShed leaves it to the loop to end the connection.
func (g *greeting) OnShed() {}

// OnEOF closes: nothing was asked.
func (g *greeting) OnEOF() { g.conn.CloseWhenFlushed(false) }

// OnDrain has nothing to do: nothing is written.
func (g *greeting) OnDrain() {}

// OnShutdown closes unless something was begun, of which the session hears that
// is to come.
func (g *greeting) OnShutdown() {
	if !g.begun {
		g.conn.CloseWhenFlushed(false)
	}
}

// OnClose has nothing to release.
func (g *greeting) OnClose(error) {}

// detector is the session of a connection that has not yet said what it speaks.
// It consumes nothing, so that the protocol sees every byte.
type detector struct {
	greeting
	secured bool // TLS is done; what counts now is inside it
}

// OnData decides by the first bytes.
func (d *detector) OnData(in []byte) (int, error) {
	d.begun = true
	cfg := &d.listener.cfg
	candidates := cfg.Protocols
	if cfg.TLS != nil && !d.secured {
		if in[0] == tlsRecordHandshake {
			d.conn.SetTimer(detectTimer, 0)
			return len(in), d.conn.startTLS(d.listener, in)
		}
		candidates = cfg.Plain
	}
	return 0, d.choose(candidates, in)
}

// choose replaces the detector by the session of the protocol that takes the connection.
func (d *detector) choose(candidates []Protocol, head []byte) error {
	p, wait := decide(candidates, d.conn.alpn(), head)
	switch {
	case p != nil:
		d.conn.SetTimer(detectTimer, 0)
		d.conn.Replace(d.conn.sessionOf(p))
		return nil
	case wait && len(head) < inputBound:
		return nil
	}
	return d.unrecognized()
}

// unrecognized counts a connection that is given up, if something was asked.
func (d *detector) unrecognized() error {
	if d.begun {
		d.conn.loop.engine.refused.add(refusedUnrecognized)
	}
	return Unrecognized
}

// OnTimer gives up on a silent peer.
func (d *detector) OnTimer(Timer) { d.conn.Abort(d.unrecognized()) }
