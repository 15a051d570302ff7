package loop

// tlsRecordHandshake is the first byte of every TLS connection (RFC 8446 section
// 5.1). No other protocol here begins with it.
const tlsRecordHandshake = 0x16

// greet gives a new connection its session: at once if only one protocol comes
// into question, else one that finds out from the first bytes.
func (ln *Listener) greet(c *conn) {
	if ln.cfg.ProxyProtocol != ProxyOff {
		c.speaks("")
		c.session = newProxyReader(c, ln) // its header comes before all else
		return
	}
	c.session = ln.firstSession(c)
}

func (ln *Listener) firstSession(c *conn) Session {
	if ln.cfg.TLS == nil && len(ln.cfg.Protocols) == 1 {
		c.speaks(ln.cfg.Protocols[0].Name())
		return ln.cfg.Protocols[0].NewSession(c)
	}
	c.speaks("")
	c.setTimer(int(detectTimer), c.loop.engine.cfg.HandshakeTimeout)
	return &detector{greeting: greeting{conn: c, listener: ln}}
}

// greeting is what the loop's own sessions for a new connection have in common.
type greeting struct {
	conn     *conn
	listener *Listener
	begun    bool // the peer has sent something
}

const detectTimer Timer = 0

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
	return 0, d.choose(candidates, "", in)
}

// choose replaces the detector by the session of the first protocol that does
// not refuse.
func (d *detector) choose(candidates []Protocol, alpn string, head []byte) error {
	for _, p := range candidates {
		switch p.Match(alpn, head) {
		case Yes:
			d.conn.SetTimer(detectTimer, 0)
			d.conn.speaks(p.Name())
			d.conn.Replace(p.NewSession(d.conn))
			d.conn.joinDrain()
			return nil
		case Maybe:
			if len(head) >= inputBound {
				return d.unrecognized()
			}
			return nil
		}
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
