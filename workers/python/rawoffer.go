package python

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/descriptors"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/websocket"
)

// WSGI applications take over a connection by writing on its socket, and Tornado's
// handlers by detaching it. A worker of either kind gets one end of a socketpair
// with each request that offers an upgrade: see rawSocket for the other.

// rawSockets tells whether requests that offer an upgrade come with a socket.
func (i *Info) rawSockets() bool { return i.Interface == "wsgi" || i.Interface == "tornado" }

// asksForUpgrade tells whether a request may be about more than HTTP.
func asksForUpgrade(r *asteri.Request) bool {
	return r.Protocol != "" || r.Method == http.MethodGet && r.Proto == asteri.HTTP11 && r.Header.Has("Upgrade")
}

// offerUpgrade finds out what workers may make of a request that asks for an
// upgrade. It returns false if the request was refused.
func (c *call) offerUpgrade() bool {
	var refused bool
	if c.upgrade, refused = c.pool.offeredWebSocket(c.x); refused {
		return false
	}
	if _, ok := c.home.(*loop.Loop); ok { // which is to adopt the socket
		c.rawForm = rawForm(c.req)
	}
	c.handshake = (c.upgrade != nil || c.rawForm != nil) && websocket.Offered(c.req)
	if c.req.Protocol != "" && c.upgrade == nil && c.rawForm == nil {
		c.x.Abort(&asteri.StatusError{Code: http.StatusNotImplemented, Reason: "protocol of CONNECT is not known"}) // RFC 9220 section 3
		return false
	}
	return true
}

// rawForm returns the request as a worker gets it together with a socket; nil if it
// offers nothing that an application could take up. An extended CONNECT becomes
// the opening handshake of RFC 6455 that it stands for (RFC 8441 section 5).
func rawForm(r *asteri.Request) *asteri.Request {
	switch {
	case r.Protocol == "websocket":
		h := r.Header.Clone()
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
		var nonce [16]byte
		_, _ = rand.Read(nonce[:])
		h.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(nonce[:]))
		form := *r
		form.Method, form.Protocol, form.Proto, form.Header, form.ContentLength = http.MethodGet, "", asteri.HTTP11, *h, 0
		return &form
	case r.Protocol != "" || r.HasBody() || asteri.EqualFold(r.Header.Get("Upgrade"), "h2c"):
		return nil
	}
	if httpfield.ListsItem(&r.Header, "Connection", "upgrade") {
		return r
	}
	return nil
}

// unaskedConnect tells whether a response would open the tunnel of an extended
// CONNECT that the application has answered as if it had been a GET.
func (c *call) unaskedConnect(status int) bool { return c.req.Protocol != "" && status/100 == 2 }

var errUnaskedConnect = &asteri.StatusError{Code: http.StatusNotImplemented, Reason: "the resource does not speak the protocol that CONNECT asks for"}

// The link's side.

// newRawSocket makes a socket for a call that is about to be sent.
func (l *link) newRawSocket(c *call) (*rawSocket, error) {
	if !descriptors.Take() { // for the front's end: the other one is closed when it is passed
		return nil, descriptors.ErrExhausted
	}
	fds, err := unixPair()
	if err != nil {
		descriptors.Release()
		return nil, err
	}
	return &rawSocket{link: l, home: c.home.(*loop.Loop), call: c, fd: fds[0], theirs: fds[1]}, nil
}

// discard closes both ends of a socket that was not lent.
func (r *rawSocket) discard() {
	unix.Close(r.fd)
	unix.Close(r.theirs)
	descriptors.Release()
}

// lend passes the worker its end and the call's home the other one.
func (l *link) lend(r *rawSocket) {
	l.worker.control.PassFD(r.call.id, r.theirs)
	if l.raws == nil {
		l.raws = make(map[*rawSocket]struct{})
	}
	l.raws[r] = struct{}{}
	c := r.call
	c.toHome(l.loop, func() { c.borrow(r) })
	if r.home.Adopt(r.fd, r.attach) != nil { // the home has ended
		delete(l.raws, r)
		descriptors.Release()
	}
}

// rawTaken is called when the application has answered on its socket. The call's
// time is its own from now on.
func (l *link) rawTaken(c *call, r *rawSocket) {
	if _, ok := l.raws[r]; !ok {
		l.uncount(r)
	}
	if l.calls.has(c) {
		c.tookOver = true
	}
}

// rawClosed is the last that is heard of a socket.
func (l *link) rawClosed(r *rawSocket) {
	delete(l.raws, r)
	l.uncount(r)
}

func (l *link) uncount(r *rawSocket) {
	if r.counted {
		r.counted = false
		l.worker.pool.dispatcher.removeSocket(l.worker)
	}
}

// retireRawSockets has the sockets closed because the worker is to end.
func (l *link) retireRawSockets() {
	for r := range l.raws {
		if r.home == l.loop {
			r.drain()
		} else {
			r.home.Post(r.drain)
		}
	}
}

// The home's side of a call with a socket.

func (c *call) borrow(r *rawSocket) {
	if c.over {
		r.drop()
		return
	}
	c.raw = r
}

// dropRaw takes the socket back, unless the application has made it its answer.
func (c *call) dropRaw() {
	if c.raw != nil && !c.raw.taken {
		c.raw.drop()
		c.raw = nil
	}
}

// spoken tells whether the application has answered on its socket. Then nothing
// else that comes is the answer.
func (c *call) spoken() bool { return c.raw != nil && c.raw.spoken() }

// tunnels tells whether the application has taken the connection over.
func (c *call) tunnels() bool { return c.raw != nil && c.raw.taken }
