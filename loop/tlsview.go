package loop

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

// tlsView is what crypto/tls takes for the network connection. During the
// handshake it is shared between the loop, which feeds it, and the handshake's
// goroutine, which blocks in Read; from then on it is the loop's alone (direct).
type tlsView struct {
	c      *conn
	shakes *handshakes

	mu   sync.Mutex    // guards in and err until direct
	more chan struct{} // tells a blocked Read that in or err has changed
	in   []byte
	lent bool // in is the loop's read buffer
	err  error

	counted int // bytes of in that the loop has counted

	direct bool
}

// againError is how a read on the loop says that there are no bytes yet.
// crypto/tls lets a Temporary error pass without breaking the connection.
type againError struct{}

func (againError) Error() string   { return "no bytes for now" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true }

var errAgain net.Error = againError{}

func newTLSView(c *conn, shakes *handshakes) *tlsView {
	return &tlsView{c: c, shakes: shakes, more: make(chan struct{}, 1)}
}

// handshake runs the handshake on the calling goroutine. It computes only while
// it holds one of as many slots as there are processors, and waits for the peer
// without one.
func (v *tlsView) handshake(tc *tls.Conn) (err error) {
	v.shakes.acquire()
	defer v.shakes.release()
	defer func() { // a callback of the configuration may panic
		if p := recover(); p != nil {
			logPanic(v.c.loop.log, "a TLS callback panicked", p)
			err = &PanicError{p}
		}
	}()
	return tc.Handshake()
}

// feed appends bytes for the handshake.
func (v *tlsView) feed(p []byte) {
	v.mu.Lock()
	v.in = append(v.in, p...)
	v.mu.Unlock()
	v.signal()
}

// end makes the next read that finds no bytes fail with err.
func (v *tlsView) end(err error) {
	v.mu.Lock()
	if v.err == nil {
		v.err = err
	}
	v.mu.Unlock()
	v.signal()
}

// count counts the bytes that wait here. The loop calls it when it has added some, or
// had some read.
func (v *tlsView) count() {
	n := v.waiting()
	if n != v.counted {
		v.c.loop.reserve(n - v.counted)
		v.counted = n
	}
}

func (v *tlsView) signal() {
	select {
	case v.more <- struct{}{}:
	default:
	}
}

// lend makes p, the loop's read buffer, the next bytes; own copies what is left
// of it.
func (v *tlsView) lend(p []byte) {
	if len(v.in) > 0 {
		v.in = append(v.in, p...)
		return
	}
	v.in, v.lent = p, true
}

func (v *tlsView) own() {
	if !v.lent {
		return
	}
	v.lent = false
	if len(v.in) == 0 {
		v.in = nil
		return
	}
	v.in = append([]byte(nil), v.in...)
}

// waiting returns the number of bytes not read yet.
func (v *tlsView) waiting() int {
	if v.direct {
		return len(v.in)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.in)
}

// Read gives bytes to crypto/tls.
func (v *tlsView) Read(p []byte) (int, error) {
	if v.direct {
		return v.take(p)
	}
	for {
		v.mu.Lock()
		n, err := v.take(p)
		v.mu.Unlock()
		if err != errAgain {
			return n, err
		}
		v.shakes.release()
		<-v.more // the loop ends it at the handshake's deadline
		v.shakes.acquire()
	}
}

func (v *tlsView) take(p []byte) (int, error) {
	if len(v.in) == 0 {
		switch {
		case v.err != nil:
			return 0, v.err
		case v.direct && v.c.eof:
			return 0, io.EOF
		}
		return 0, errAgain
	}
	n := copy(p, v.in)
	v.in = v.in[n:]
	if len(v.in) == 0 && !v.lent {
		v.in = nil
	}
	return n, nil
}

// Write takes encrypted bytes from crypto/tls.
func (v *tlsView) Write(p []byte) (int, error) {
	c := v.c
	if v.direct {
		c.layer.sealed.write(&c.loop.chunks, p)
		c.markDirty()
		return len(p), nil
	}
	own := append([]byte(nil), p...)
	if !c.Post(func() { c.layer.sealed.write(&c.loop.chunks, own); c.markDirty() }) {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

// Close has nothing to do: the loop closes the socket.
func (v *tlsView) Close() error { return nil }

// LocalAddr is not used by crypto/tls on the server's side.
func (v *tlsView) LocalAddr() net.Addr { return nil }

// RemoteAddr is the peer's address, for callbacks of the configuration.
func (v *tlsView) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(v.c.info.Remote) }

// SetDeadline has nothing to do: the loop has its own timers.
func (v *tlsView) SetDeadline(time.Time) error { return nil }

// SetReadDeadline is as SetDeadline.
func (v *tlsView) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is as SetDeadline.
func (v *tlsView) SetWriteDeadline(time.Time) error { return nil }
