package loop

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/bounds/pace"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/wheel"
	"github.com/asteri/asteri-loop/poller"
)

// conn is a connection. Its loop's goroutine owns all of it.
//
// Its life: open, then flushing (CloseWhenFlushed), perhaps lingering, then
// closed. Abort leads to closed from anywhere. Queued bytes are dropped only by
// Abort or when the peer stalls.
type conn struct {
	loop    *Loop
	session Session
	layer   *tlsLayer // nil for a plain connection
	info    ConnInfo
	spoken  *spokenCount // what it is counted as; nil if it is not

	fd    int
	token poller.Token
	want  poller.Ready
	state connState
	kind  connKind

	paused      bool // by the session
	eof         bool // the peer sends no more
	eofTold     bool // and the session, having had all bytes, knows
	wasHigh     bool // the send queue was above the high-water mark
	lingers     bool // close with lingering
	blocked     bool // the last write would have blocked
	endsOutput  bool // the sending side is to be closed behind the queue
	outputEnded bool // and has been
	fileJob     bool // the file pool works for this connection: fd must stay open
	watched     bool // the poller knows fd
	isDirty     bool
	queuedAgain bool
	drainTold   bool        // the session knows that the server is draining
	gone        atomic.Bool // closed, for who posts
	lingerLeft  int32

	kept      []byte // received; kept[keptFrom:] is not consumed; nil when empty
	keptFrom  int32
	held      int32 // what the system held when WriteTimeout began
	high, low int32 // water marks of the send queue
	out       sendQueue
	reserved  int64 // by Reserve
	cause     error
	active    ticks // when bytes last came or went

	pace *pace.Pace // of the peer, while it has not been given everything

	timers     [numTimers]ticks
	wheelTimer wheel.Timer[conn] // set for the earliest, or earlier
}

// Timers of the loop's own, after those of the session.
const (
	timerStall = NumTimers + iota // a peer that takes no bytes
	timerRate                     // one that takes them slowly
	timerHandshake
	timerLinger
	timerIdle // one that is silent
	numTimers
)

type connState uint8

const (
	stateOpen connState = iota
	stateFlushing
	stateLingering
	stateClosed
)

// connKind tells accepted connections, which are counted, drained and timed,
// from sockets that a Go program gave to the loop, which it looks after itself.
type connKind uint8

const (
	accepted connKind = iota
	adopted
)

var _ Conn = (*conn)(nil)

// attach makes a connection of a connected non-blocking socket. The poller does
// not know it yet: see updateInterest.
func (l *Loop) attach(fd int, kind connKind, info ConnInfo) *conn {
	c := &conn{loop: l, fd: fd, kind: kind, info: info, high: HighWater, low: LowWater}
	c.active = l.wheel.Current
	c.token = l.addSlot(c, nil)
	return c
}

func (c *conn) Loop() *Loop     { return c.loop }
func (c *conn) Info() *ConnInfo { return &c.info }

func (c *conn) Queued() int {
	if c.layer != nil {
		return c.out.size + c.layer.sealed.size
	}
	return c.out.size
}

func (c *conn) Congested() bool { return c.wasHigh && c.state == stateOpen }

func (c *conn) SetWaterMarks(high, low int) {
	c.loop.owner.check()
	if low <= 0 || low > high || high > math.MaxInt32 {
		misused("Conn.SetWaterMarks", "0 < low <= high < 2 GiB does not hold for high = %d, low = %d", high, low)
	}
	c.high, c.low = int32(high), int32(low)
	switch queued := c.Queued(); {
	case queued >= high:
		c.wasHigh = true
	case c.wasHigh && queued < low:
		c.markDirty() // OnDrain is due
	}
}

func (c *conn) Write(p []byte) int {
	c.loop.owner.check()
	if !c.takesOutput() || c.out.size >= c.loop.maxQueued && c.overfilled() {
		return c.Queued()
	}
	c.out.write(&c.loop.chunks, p)
	return c.wrote()
}

func (c *conn) SendFile(f File, off, n int64) int {
	c.loop.owner.check()
	switch {
	case f == nil:
		misused("Conn.SendFile", "the file must not be nil")
	case off < 0:
		misused("Conn.SendFile", "the offset must not be negative, as %d is", off)
	}
	if !c.takesOutput() || n <= 0 {
		f.Close()
		return c.Queued()
	}
	if n > warmPiece || !c.out.writeWarm(&c.loop.chunks, f, off, int(n)) {
		c.out.writeFile(f, off, n)
	}
	return c.wrote()
}

func (c *conn) Full() bool {
	return c.kind == accepted && c.out.size-c.out.inFiles >= c.loop.maxQueued
}

// overfilled ends the connection if it is full: the session does not heed Congested.
func (c *conn) overfilled() bool {
	if !c.Full() {
		return false
	}
	c.Abort(QueueFull)
	c.loop.log.Error("a session writes on though its peer does not read: the connection is ended. Sessions stop while Conn.Congested, until OnDrain",
		"session", fmt.Sprintf("%T", c.session), "remote", c.info.Remote, "queued", c.out.size)
	return true
}

func (c *conn) takesOutput() bool { return c.state == stateOpen && !c.endsOutput }

func (c *conn) wrote() int {
	c.markDirty()
	queued := c.Queued()
	if queued >= int(c.high) {
		c.wasHigh = true
	}
	return queued
}

func (c *conn) markDirty() {
	if !c.isDirty {
		c.isDirty = true
		c.loop.dirty.add(c)
	}
}

func (c *conn) PauseRead() {
	c.loop.owner.check()
	c.paused = true
}

func (c *conn) ResumeRead() {
	c.loop.owner.check()
	if !c.paused {
		return
	}
	c.paused = false
	c.eofTold = false
	c.offerSoon()
	c.updateInterest()
}

// offerSoon has kept bytes offered in this tick, or the next one if the loop is
// past that point.
func (c *conn) offerSoon() {
	if !c.queuedAgain && c.state == stateOpen && (len(c.kept) > 0 || c.layer != nil || c.eof) {
		c.queuedAgain = true
		c.loop.again.add(c)
	}
}

func (c *conn) SetTimer(t Timer, d time.Duration) {
	c.loop.owner.check()
	if t >= NumTimers {
		misused("Conn.SetTimer", "timers are 0 to %d: there is none %d", NumTimers-1, t)
	}
	if c.state == stateClosed {
		return
	}
	c.setTimer(int(t), d)
}

func (c *conn) setTimer(t int, d time.Duration) {
	if d <= 0 {
		c.timers[t] = 0
		return
	}
	// Not from the start of the tick, which may be long past: a timer is
	// never early.
	at := wheel.After(awake.Now()-c.loop.began, d, slotTime)
	c.timers[t] = at
	c.wakeBy(at)
}

// wakeBy has the wheel come to the connection at tick at, or earlier.
func (c *conn) wakeBy(at ticks) {
	if set := c.wheelTimer.At(); set == 0 || at < set {
		c.loop.wheel.Remove(c)
		c.loop.wheel.Insert(c, at)
	}
}

// onWheel runs the timers that are due and puts the connection back into the
// wheel for the others.
func (c *conn) onWheel() {
	c.loop.current = c
	now := c.loop.wheel.Current
	for t := range c.timers {
		// Read here and not by range, which would copy: the call for one
		// timer may stop another.
		if at := c.timers[t]; at == 0 || at > now {
			continue
		}
		c.timers[t] = 0
		switch {
		case c.state == stateClosed:
		case t == timerStall:
			c.stalled()
		case t == timerRate:
			c.checkPace()
		case t == timerHandshake:
			c.Abort(HandshakeFailed)
		case t == timerLinger:
			c.close(Flushed)
		case t == timerIdle:
			c.checkIdle()
		case c.state == stateOpen && c.session != nil:
			c.session.OnTimer(Timer(t))
		}
	}
	if c.state != stateClosed {
		c.scheduleWheel()
	}
	c.loop.current = nil
}

func (c *conn) scheduleWheel() {
	earliest := ticks(0)
	for _, at := range c.timers {
		if at != 0 && (earliest == 0 || at < earliest) {
			earliest = at
		}
	}
	if earliest != 0 {
		c.wakeBy(earliest) // the session has perhaps set a later one just now
	}
}

func (c *conn) Replace(s Session) {
	c.loop.owner.check()
	if s == nil {
		misused("Conn.Replace", "the session must not be nil: CloseWhenFlushed and Abort end a connection")
	}
	if c.fd < 0 {
		return // its end has been told
	}
	c.session = s
	c.paused = false
	c.eofTold = false
	c.offerSoon()
	c.joinDrain()
	c.watchIdle()
}

func (c *conn) CloseWhenFlushed(linger bool) {
	c.loop.owner.check()
	if c.state != stateOpen {
		return
	}
	c.state = stateFlushing
	c.lingers = linger && !c.eof
	c.dropInput()
	for t := range NumTimers {
		c.timers[t] = 0
	}
	c.markDirty()
}

func (c *conn) CloseWrite() {
	c.loop.owner.check()
	if c.takesOutput() {
		c.endsOutput = true
		c.markDirty()
	}
}

func (c *conn) Abort(cause error) {
	c.loop.owner.check()
	if c.state == stateClosed {
		return
	}
	if c.info.Network != "unix" && c.kind == accepted {
		// Closing with a linger time of zero sends a reset.
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.close(cause)
}

func (c *conn) Post(fn func()) bool {
	if fn == nil {
		misused("Conn.Post", "the function must not be nil")
	}
	return !c.gone.Load() && c.loop.Post(func() {
		if c.state != stateClosed {
			c.loop.current = c
			fn()
		}
	})
}

// updateInterest tells the poller what the connection waits for, if that has
// changed. The poller hears of a connection when it first waits for something:
// one that is answered and closed in the tick of its accept never does.
func (c *conn) updateInterest() {
	if c.state == stateClosed {
		return
	}
	var want poller.Ready
	if c.wantsInput() {
		want = poller.Readable | poller.ReadHangup
	}
	if c.blocked {
		want |= poller.Writable
	}
	if want == c.want {
		return
	}
	c.want = want
	control := c.loop.poll.Modify
	if !c.watched {
		c.watched = true
		control = c.loop.poll.Add
	}
	if err := control(c.fd, c.token, want); err != nil {
		c.loop.log.Error("cannot watch a connection", "error", err)
		c.Abort(err)
	}
}

// wantsInput tells whether the socket should be read: not after its end, not
// while the session is paused and the loop keeps enough for it.
func (c *conn) wantsInput() bool {
	switch {
	case c.eof:
		return false
	case c.state == stateFlushing:
		return false
	case c.paused && c.keptBytes() >= inputBound:
		return false
	}
	return true
}

func (c *conn) keptBytes() int {
	n := len(c.kept) - int(c.keptFrom)
	if c.layer != nil {
		n += c.layer.view.waiting()
	}
	return n
}
