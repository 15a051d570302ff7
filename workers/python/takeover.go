package python

import (
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/websocket"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/takeover"
)

// WSGI applications take over a connection by writing on its socket, and Tornado's
// handlers by detaching it. A worker of either kind gets one end of a socketpair
// with each request that offers an upgrade: see rawSocket for the other.

// rawSockets tells whether requests that offer an upgrade come with a socket.
func (i *Info) rawSockets() bool { return i.Interface == "wsgi" || i.Interface == "tornado" }

// offerUpgrade finds out what workers may make of a request that asks for an
// upgrade. It returns false if the request was refused.
func (c *call) offerUpgrade() bool {
	var refused bool
	if c.upgrade, refused = c.pool.offeredWebSocket(c.x); refused {
		return false
	}
	if _, ok := c.home.(*loop.Loop); ok { // which is to adopt the socket
		c.rawForm = takeover.Form(c.req)
	}
	c.ticket.Handshake = (c.upgrade != nil || c.rawForm != nil) && websocket.Offered(c.req)
	if c.req.Protocol != "" && c.upgrade == nil && c.rawForm == nil {
		c.x.Abort(&asteri.StatusError{Code: http.StatusNotImplemented, Reason: "protocol of CONNECT is not known"}) // RFC 9220 section 3
		return false
	}
	return true
}

// unaskedConnect tells whether a response would open the tunnel of an extended
// CONNECT that the application has answered as if it had been a GET.
func (c *call) unaskedConnect(status int) bool { return c.req.Protocol != "" && status/100 == 2 }

var errUnaskedConnect = &asteri.StatusError{Code: http.StatusNotImplemented, Reason: "the resource does not speak the protocol that CONNECT asks for"}

// The link's side.

// newRawSocket makes a socket for a call that is about to be sent.
func (l *link) newRawSocket(c *call) (*takeover.Socket, error) {
	if !descriptors.Take() { // for the front's end: the other one is closed when it is passed
		return nil, descriptors.ErrExhausted
	}
	ends, err := process.Pair()
	if err != nil {
		descriptors.Release()
		return nil, err
	}
	cfg := l.worker.cfg
	return takeover.New((*lender)(l), (*borrower)(c), c.x, c.home.(*loop.Loop), ends, takeover.Settings{
		Linger: cfg.WebSocket.Linger, CloseTimeout: cfg.WebSocket.CloseTimeout, GracefulTimeout: cfg.GracefulTimeout,
	}), nil
}

// lend passes the worker its end and the call's home the other one.
func (l *link) lend(c *call, r *takeover.Socket) {
	l.worker.control.PassFD(c.atLink.id, r.Lend())
	if l.raws == nil {
		l.raws = make(map[*takeover.Socket]struct{})
	}
	l.raws[r] = struct{}{}
	c.toHome(l.loop, func() { c.borrow(r) })
	if !r.Adopt() { // the home has ended
		delete(l.raws, r)
	}
}

// retireRawSockets has the sockets closed because the worker is to end.
func (l *link) retireRawSockets() {
	for r := range l.raws {
		if r.Home() == l.loop {
			r.Drain()
		} else {
			r.Home().Post(r.Drain)
		}
	}
}

// lender is a link as its sockets know it.
type lender link

// Loop implements takeover.Worker.
func (l *lender) Loop() *loop.Loop { return l.loop }

// AddSocket implements takeover.Worker. A worker that takes whole bodies has given the socket
// the slot of its call.
func (l *lender) AddSocket() (counted bool, err error) {
	w := l.worker
	if w.info.wholeBody {
		return false, nil
	}
	if !w.pool.dispatcher.AddSocket(&w.slots) {
		w.pool.warnOfSockets()
		return false, errSocketsFull
	}
	return true, nil
}

// RemoveSocket implements takeover.Worker.
func (l *lender) RemoveSocket() { l.worker.pool.dispatcher.RemoveSocket(&l.worker.slots) }

// Taken implements takeover.Worker.
func (l *lender) Taken(of takeover.Call, r *takeover.Socket) {
	if _, ok := l.raws[r]; !ok {
		r.Uncount()
	}
	if c := (*call)(of.(*borrower)); l.calls.has(c) {
		c.atLink.tookOver = true
	}
}

// Closed implements takeover.Worker.
func (l *lender) Closed(r *takeover.Socket) {
	delete(l.raws, r)
	r.Uncount()
}

// The home's side of a call with a socket.

// borrower is a call as its socket knows it.
type borrower call

// Connects implements takeover.Call.
func (b *borrower) Connects() bool { return b.req.Protocol != "" }

// Refuses implements takeover.Call.
func (b *borrower) Refuses(status int) error {
	if (*call)(b).unaskedConnect(status) {
		return errUnaskedConnect
	}
	return nil
}

// Account implements takeover.Call.
func (b *borrower) Account() { (*call)(b).account() }

// End implements takeover.Call.
func (b *borrower) End() { (*call)(b).end() }

// GiveUp implements takeover.Call.
func (b *borrower) GiveUp(err error) { (*call)(b).giveUp(err) }

// TakeBack implements takeover.Call.
func (b *borrower) TakeBack() { (*call)(b).dropRaw() }

func (c *call) borrow(r *takeover.Socket) {
	if c.atHome.over {
		r.Drop()
		return
	}
	c.atHome.raw = r
}

// dropRaw takes the socket back, unless the application has made it its answer.
func (c *call) dropRaw() {
	if c.atHome.raw != nil && !c.atHome.raw.Taken() {
		c.atHome.raw.Drop()
		c.atHome.raw = nil
	}
}

// spoken tells whether the application has answered on its socket. Then nothing
// else that comes is the answer.
func (c *call) spoken() bool { return c.atHome.raw != nil && c.atHome.raw.Spoken() }

// tunnels tells whether the application has taken the connection over.
func (c *call) tunnels() bool { return c.atHome.raw != nil && c.atHome.raw.Taken() }
