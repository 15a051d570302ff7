package loop

// tlsRecordHandshake is the first byte of every TLS connection (RFC 8446 section
// 5.1). No other protocol here begins with it.
const tlsRecordHandshake = 0x16

// greet gives a new connection its session: at once if only one protocol comes
// into question, else one that finds out from the first bytes.
func (ln *Listener) greet(c *conn) {
	if ln.cfg.TLS == nil && len(ln.cfg.Protocols) == 1 {
		c.session = ln.cfg.Protocols[0].NewSession(c)
		return
	}
	c.session = &detector{conn: c, listener: ln}
	c.setTimer(int(detectTimer), c.loop.engine.cfg.HandshakeTimeout)
}

// detector is the session of a connection that has not yet said what it speaks.
// It consumes nothing, so that the protocol sees every byte.
type detector struct {
	conn     *conn
	listener *Listener
	secured  bool // TLS is done; what counts now is inside it
	begun    bool // the peer has sent something
}

const detectTimer Timer = 0

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
			d.conn.Replace(p.NewSession(d.conn))
			d.conn.joinDrain()
			return nil
		case Maybe:
			if len(head) >= inputBound {
				return Unrecognized
			}
			return nil
		}
	}
	return Unrecognized
}

// OnEOF closes: nothing was asked.
func (d *detector) OnEOF() { d.conn.CloseWhenFlushed(false) }

// OnDrain has nothing to do: a detector writes nothing.
func (d *detector) OnDrain() {}

// OnTimer gives up on a silent peer.
func (d *detector) OnTimer(Timer) { d.conn.Abort(Unrecognized) }

// OnShutdown closes unless something was begun, of which the session hears that
// is to come.
func (d *detector) OnShutdown() {
	if !d.begun {
		d.conn.CloseWhenFlushed(false)
	}
}

// OnClose has nothing to release.
func (d *detector) OnClose(error) {}
