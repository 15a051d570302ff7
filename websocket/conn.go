package websocket

import (
	"errors"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/tokenbucket"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/system/wheel"
)

// Conn is an open WebSocket. Its executor owns it: all methods are called there,
// except Post and Home.
type Conn struct {
	tunnel      asteri.Tunnel
	server      *Server
	home        *home
	handler     Handler
	subprotocol string
	decoder     ws.Decoder
	deflater    *ws.Deflater // nil without compression

	drained func() // the handler's

	state      state
	paused     bool // by the handler
	choked     bool // the peer wants answers to its pings, and does not read them
	reading    bool // within read
	ended      bool // the peer sends no more
	heard      bool // something came, or was taken late, since the deadline was set
	pinged     bool // a ping is not answered
	told       bool // the handler knows of the end
	part       bool // a message is being sent in parts
	partPacked bool // and is compressed
	draining   bool // the server stops
	goingAway  bool // at the end of its time

	deferred bool // reading goes on in the next turn

	backlog  *backlog // what is sent bit by bit; nil if there is nothing
	pending  []byte   // received while reading was held up: at most the tunnel's window
	kept     int      // bytes that the handler keeps
	reserved int      // bytes counted by the tunnel's Reserve

	breach *ws.Error           // of the peer, while failing
	idle   *tokenbucket.Bucket // of frames that say nothing; nil until there is one

	leaveAt ticks             // when a draining connection is closed
	due     ticks             // the deadline, if timer is set
	timer   wheel.Timer[Conn] // for it, or for an earlier look at it
}

type state uint8

const (
	open    state = iota
	failing       // the peer broke the protocol; the handler answers what came before
	closing       // a Close was sent; the peer's is waited for
	over
)

// Causes with which connections are aborted.
var (
	errStalled     = errors.New("websocket: the peer does not read")
	errNotAnswered = errors.New("websocket: the peer did not answer a Close")
)

// Subprotocol returns what was agreed on, empty for none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Home returns the executor. It may be called from any goroutine.
func (c *Conn) Home() asteri.Executor { return c.tunnel.Home() }

// Post runs fn on the executor. It may be called from any goroutine. It returns
// false, and fn will not run, once the connection is known to have ended.
func (c *Conn) Post(fn func()) bool { return c.tunnel.Post(fn) }

// Pause stops OnMessage. What the peer sends then fills the window of its
// connection, so that it has to wait.
func (c *Conn) Pause() { c.paused = true }

// Resume undoes Pause. Messages that have come meanwhile are delivered soon,
// never from within this call.
func (c *Conn) Resume() {
	if c.paused {
		c.paused = false
		c.readSoon()
	}
}

func (c *Conn) readSoon() {
	if c.unread() && !c.reading && !c.deferred {
		c.deferred = true
		c.post(c.readPending)
	}
}

// post runs fn in the next turn of the executor. A tunnel says nothing of its end if
// that of the input was told before, so a loss shows here.
func (c *Conn) post(fn func()) {
	if !c.tunnel.Post(fn) {
		c.home.executor.Post(c.lost)
	}
}

// Hold says that the handler keeps n bytes on behalf of the peer, in all. They count
// as the connection's, for as long as it lasts.
func (c *Conn) Hold(n int) {
	c.kept = n
	if !c.reading {
		c.account()
	}
}

// unread tells whether something has come that was not delivered yet.
func (c *Conn) unread() bool { return len(c.pending) > 0 || c.decoder.Unpacking() }

func (c *Conn) readPending() {
	c.deferred = false
	if c.reading || c.heldUp() {
		return
	}
	c.heard = true
	p := c.pending
	n := c.read(p)
	if c.pending = p[n:]; len(c.pending) == 0 {
		c.pending = nil
	}
	c.consumed(n)
	c.finishRead()
}

// heldUp tells whether input is left for later. It is not once a Close was sent:
// then the peer's is waited for.
func (c *Conn) heldUp() bool { return (c.paused || c.choked) && c.state == open }

// input is a Conn as its tunnel sees it.
type input Conn

// OnBody takes bytes of the peer, which it may change.
func (i *input) OnBody(p []byte) {
	c := (*Conn)(i)
	c.heard = true
	if c.pinged && c.state == open {
		c.pinged = false
		c.watchPeer()
	}
	n := 0
	if len(c.pending) == 0 && !c.deferred {
		n = c.read(p)
	}
	if n < len(p) && c.state != over {
		c.pending = append(c.pending, p[n:]...)
	}
	c.consumed(n)
}

func (c *Conn) consumed(n int) {
	c.account()
	if c.state != over && n > 0 {
		c.tunnel.Consumed(n)
	}
}

// OnEnd notes that the peer sends no more. What it has sent is still delivered, as
// the handler takes it: there may be a Close among it.
func (i *input) OnEnd(*asteri.Header) {
	c := (*Conn)(i)
	c.ended = true
	c.finishRead()
	if c.state == open {
		c.watchPeer()
	}
}

// finishRead ends a connection whose peer left without a Close, once all that it sent
// is read. Half a frame is nothing.
func (c *Conn) finishRead() {
	if c.ended && c.listens() && !c.unread() {
		c.finish(Closure{Code: Abnormal})
	}
}

// OnError ends a connection that is lost. It is also the tunnel's last word when
// the connection was closed in good order.
func (i *input) OnError(error) { (*Conn)(i).lost() }

func (c *Conn) lost() {
	c.dropBacklog()
	if c.state != over {
		c.end(Closure{Code: Abnormal})
	}
}

// read handles what the peer sent, as far as it may and as much as is done in one
// turn, and returns how much that was.
func (c *Conn) read(p []byte) (n int) {
	c.reading = true
	unpacked := 0
	for (n < len(p) || c.decoder.Unpacking()) && c.listens() && !c.heldUp() && c.mayUnpack(unpacked) {
		used, ev, err := c.decoder.Next(p[n:])
		n += used
		unpacked += c.decoder.Unpacked()
		c.home.worked(c.decoder.Unpacked())
		if err == nil {
			err = c.charge(c.decoder.Idle())
		}
		if err != nil {
			c.fail(err)
			break
		}
		c.handle(ev)
	}
	c.reading = false
	if !c.listens() {
		c.decoder.Discard()
		return len(p)
	}
	c.decoder.Rest()
	if !c.heldUp() && (n < len(p) || c.decoder.Unpacking()) {
		c.deferred = true
		c.home.later(c, (*Conn).readPending)
	}
	return n
}

// mayUnpack tells whether there is room in this turn, after so many bytes. One that
// begins is let in without, so that short messages do not wait for long ones.
func (c *Conn) mayUnpack(before int) bool {
	return c.home.room > 0 || before == 0 && !c.decoder.Unpacking()
}

// idleFrames is for frames that say nothing: pings, pongs, and fragments of next to no
// content. A message may come in any number of fragments, but not for ever.
var idleFrames = tokenbucket.Size{Burst: 1000, Rate: 100}

var errChatter = &ws.Error{Code: ws.PolicyViolation, Reason: "too many frames that say nothing"}

// charge takes n such frames out of the bucket.
func (c *Conn) charge(n int) error {
	if n == 0 {
		return nil
	}
	now := time.Now()
	if c.idle == nil {
		p := tokenbucket.New(idleFrames, now)
		c.idle = &p
	}
	if !c.idle.Take(float64(n), now) {
		return errChatter
	}
	return nil
}

// listens tells whether what the peer sends is still of interest.
func (c *Conn) listens() bool { return c.state == open || c.state == closing }

func (c *Conn) handle(ev ws.Event) {
	switch ev.Op {
	case ws.Text, ws.Binary:
		if c.state == open {
			c.server.counts.messagesIn.Add(1)
			c.handler.OnMessage(c, ev.Op, ev.Data)
		}
	case ws.Ping:
		c.pong(ev.Data)
	case ws.Close:
		c.onClose(ev.Data)
	}
}

// onClose answers the peer's Close, or takes it as the answer to ours. The server
// is the first to close the connection (section 7.1.1).
func (c *Conn) onClose(p []byte) {
	code, reason, err := ws.ParseClose(p)
	if err != nil {
		c.fail(err)
		return
	}
	e := Closure{Code: code, Reason: string(reason), Clean: true}
	if c.state == open {
		c.sendClose(code, "")
	}
	c.finish(e)
}

// fail ends the connection because of what the peer sent, section 7.1.7.
func (c *Conn) fail(err error) {
	var breach *ws.Error
	if !errors.As(err, &breach) {
		c.Abort(err)
		return
	}
	c.server.counts.failed(breach.Reason)
	c.breach = breach
	h, later := c.handler.(LateHandler)
	if !later || c.state != open {
		c.goDown()
		return
	}
	c.state = failing
	c.setDeadline(settleTime)
	h.OnBreach(c, Closure{Code: breach.Code, Reason: breach.Reason})
}

// settleTime is how long a LateHandler may take to answer.
const settleTime = time.Second

// goDown is the end of a connection whose peer broke the protocol.
func (c *Conn) goDown() {
	if c.state != closing {
		c.sendClose(c.breach.Code, c.breach.Reason)
	}
	c.finish(Closure{Code: c.breach.Code, Reason: c.breach.Reason})
}

// Close begins the closing handshake: code and reason are sent behind all that
// was written, and nothing after it. OnClose follows when the peer has answered,
// or has had its time. The reason is at most 123 bytes of UTF-8; what is longer is
// cut.
func (c *Conn) Close(code Code, reason string) {
	if c.state == failing {
		c.goDown()
	}
	if c.state != open {
		return
	}
	c.sendClose(code, reason)
	c.setDeadline(c.server.options.CloseTimeout)
	c.readSoon()
}

// Abort ends the connection at once. OnClose is called before it returns.
func (c *Conn) Abort(cause error) {
	if c.state != over {
		c.backlog = nil
		c.tunnel.Abort(cause)
		c.end(Closure{Code: Abnormal})
	}
}

// finish closes the connection once all is sent.
func (c *Conn) finish(e Closure) {
	if c.state == over {
		return
	}
	c.state = over
	if c.backlog == nil {
		c.tunnel.Close()
	}
	c.end(e)
	if c.backlog != nil {
		c.setDeadline(c.server.options.CloseTimeout)
	}
}

// end lets go of everything and tells the handler.
func (c *Conn) end(e Closure) {
	c.state = over
	if c.told {
		return
	}
	c.told = true
	c.home.wheel.Remove(c)
	if !c.reading { // else the message under way lives in it
		c.decoder.Discard()
	}
	c.pending, c.kept = nil, 0
	c.account()
	c.server.counts.closed.Add(1)
	c.handler.OnClose(c, e)
}

// account counts the memory of what is not complete.
func (c *Conn) account() {
	held := c.backlog.size()
	if c.state != over {
		held += c.kept + cap(c.pending) + c.decoder.Held()
	}
	if held != c.reserved {
		c.tunnel.Reserve(held - c.reserved)
		c.reserved = held
	}
}
