package workers

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
)

// Conn is what remains of an exchange that was upgraded: the connection itself.
// It is a net.Conn, with the waiting rules of the Call that it came from.
type Conn struct {
	blockingIO
	tunnel        asteri.Tunnel
	local, remote net.Addr
	once          sync.Once
}

var _ net.Conn = (*Conn)(nil)

// newConn is called on the executor.
func newConn(t asteri.Tunnel, c *Call) *Conn {
	conn := &Conn{tunnel: t}
	peer := c.Request().Peer
	conn.local, conn.remote = LocalAddr(peer), RemoteAddr(peer)
	conn.init(t, c.co)
	t.Read((*connSink)(conn))
	return conn
}

// connSink tells a writer, too, when the peer has gone: a tunnel has no other
// way to say so.
type connSink Conn

func (k *connSink) OnBody(p []byte)        { (*sink)(&k.blockingIO).OnBody(p) }
func (k *connSink) OnEnd(t *asteri.Header) { (*sink)(&k.blockingIO).OnEnd(t) }
func (k *connSink) OnError(err error) {
	(*sink)(&k.blockingIO).OnError(err)
	k.blockingIO.fail(err)
}

// SetDeadline sets the read and the write deadline.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the time at which Read ends waiting.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.inLimit, t) }

// SetWriteDeadline sets the time at which Write ends waiting.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.outLimit, t) }

// Close closes the connection once all that was written is sent.
func (c *Conn) Close() error {
	c.once.Do(func() {
		_ = c.do(func() error { c.tunnel.Close(); return nil })
		c.fail(net.ErrClosed)
		c.release()
	})
	return nil
}

// LocalAddr returns the server's address.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// LocalAddr returns the server's address of a connection.
func LocalAddr(p *asteri.Peer) net.Addr {
	if p.Network == "unix" {
		return &net.UnixAddr{Name: p.SocketPath, Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(p.Local)
}

// RemoteAddr returns the client's address of a connection.
func RemoteAddr(p *asteri.Peer) net.Addr {
	if p.Network == "unix" {
		return &net.UnixAddr{Name: "@", Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(p.Remote)
}
